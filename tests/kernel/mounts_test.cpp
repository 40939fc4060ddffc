// The mount family, each by its own hook: the capability that is refused before is allowed here.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

Expected mounts(bh_hook hook) {
    return {hook, BH_CLASS_MOUNTS, EPERM};
}

// What the host gets for arguments that are wrong on purpose: the hook was passed.
int passed(long result) {
    const int error = outcome(result);
    return error == EINVAL ? 0 : error;
}

FENCE_TEST(RefusesMount, "bh_mount") {
    Tmpfs place;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, mounts(BH_HOOK_sb_mount), [&] {
        const int error = outcome(::mount("t", place.path().c_str(), "tmpfs", 0, nullptr));
        return error != 0 ? error : outcome(::umount2(place.path().c_str(), MNT_DETACH));
    });
}

FENCE_TEST(RefusesUnmount, "bh_umount") {
    Tmpfs place;
    place.make_directory("m");
    ASSERT_EQ(::mount("t", place.at("m").c_str(), "tmpfs", 0, nullptr), 0);
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, mounts(BH_HOOK_sb_umount), [&] {
        const int error = outcome(::umount2(place.at("m").c_str(), MNT_DETACH));
        return error != 0 ? error
                          : outcome(::mount("t", place.at("m").c_str(), "tmpfs", 0, nullptr));
    });
    EXPECT_EQ(::umount2(place.at("m").c_str(), MNT_DETACH), 0) << "it is still mounted";
}

FENCE_TEST(RefusesRemount, "bh_remount") {
    Tmpfs place;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, mounts(BH_HOOK_sb_remount), [&] {
        constexpr int kReconfigure = 7;
        const long fd = ::syscall(SYS_fspick, AT_FDCWD, place.path().c_str(), 0);
        if (fd < 0)
            return errno;
        return outcome(::syscall(SYS_fsconfig, fd, kReconfigure, nullptr, nullptr, 0));
    });
}

FENCE_TEST(RefusesPivotRoot, "bh_pivotroot") {
    Tmpfs place;
    place.make_directory("not-a-mount");
    place.make_directory("not-a-mount/old");
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, mounts(BH_HOOK_sb_pivotroot), [&] {
        return passed(::syscall(SYS_pivot_root, place.at("not-a-mount").c_str(),
                                place.at("not-a-mount/old").c_str()));
    });
}

FENCE_TEST(RefusesMovingMounts, "bh_move_mount") {
    Tmpfs place;
    place.make_directory("not-a-mount");
    place.make_directory("to");
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    mine.own(place.path());
    expect_refused(mine, mounts(BH_HOOK_move_mount), [&] {
        return passed(::syscall(SYS_move_mount, AT_FDCWD, place.at("not-a-mount").c_str(), AT_FDCWD,
                                place.at("to").c_str(), 0));
    });
}

}  // namespace
}  // namespace bulkhead::tests
