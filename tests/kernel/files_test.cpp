// Files: what is on a foreign super block is not opened, received or looked at, whatever led there.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kFilesOpen{BH_HOOK_file_open, BH_CLASS_FILES, EPERM};

FENCE_TEST(RefusesFilesThroughALeakedDirectory, "bh_file_open") {
    Tmpfs foreign;
    foreign.write("secret");
    BareEnvironment mine("mine");
    expect_refused(mine, kFilesOpen, [&] {
        return opened(::openat(foreign.directory(), "secret", O_RDONLY | O_CLOEXEC));
    });
    EXPECT_EQ(mine.last_refusal().object[0], device_of(foreign.path()));
    EXPECT_STREQ(mine.last_refusal().text[0], "secret");
}

FENCE_TEST(MakesNoFileThroughALeakedDirectory, "bh_mknod") {
    Tmpfs foreign;
    BareEnvironment mine("mine");
    const auto create = [&] {
        return opened(::openat(foreign.directory(), "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    };
    EXPECT_EQ(Actor::run(&mine, create), EPERM);
    EXPECT_FALSE(foreign.has("new"));
}

TEST(Fence, LeavesOwnFilesAlone) {
    Tmpfs own;
    BareEnvironment mine("mine");
    mine.own(own.path());
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const int fd = ::open(own.at("file").c_str(), O_RDWR | O_CREAT, 0600);
                             struct stat info {};
                             return outcome(fd) | outcome(::write(fd, "x", 1)) |
                                    outcome(::fstat(fd, &info)) | outcome(::fchmod(fd, 0640)) |
                                    outcome(::mkdir(own.at("d").c_str(), 0700)) |
                                    outcome(::rename(own.at("d").c_str(), own.at("e").c_str())) |
                                    outcome(::rmdir(own.at("e").c_str())) |
                                    outcome(::unlink(own.at("file").c_str()));
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

FENCE_TEST(RefusesASharedSuperBlockThroughAForeignMount, "bh_file_open") {
    Tmpfs shared;
    shared.write("file");
    BareEnvironment mine("mine");
    mine.own(shared.path(), BH_DEVICE_SHARED);
    const auto open_it = [&] { return opened(::open(shared.at("file").c_str(), O_RDONLY)); };
    bh_environment record = mine.record();
    record.mnt_ns = own_mount_namespace();
    mine.publish(record);
    EXPECT_EQ(Actor::run(&mine, open_it), 0) << "a mount of its own namespace";
    record.mnt_ns = 1;
    mine.publish(record);
    expect_refused(mine, kFilesOpen, open_it);
}

FENCE_TEST(RefusesAHandleBesideWhatIsMounted, "bh_file_open") {
    Tmpfs shared;
    shared.write("outside");
    shared.make_directory("inside");
    ASSERT_EQ(::mount(shared.at("inside").c_str(), shared.at("inside").c_str(), nullptr, MS_BIND,
                      nullptr),
              0);
    BareEnvironment mine("mine");
    mine.own(shared.path(), BH_DEVICE_SHARED);
    bh_environment record = mine.record();
    record.mnt_ns = own_mount_namespace();
    mine.publish(record);
    alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> space{};
    auto* handle = reinterpret_cast<file_handle*>(space.data());
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount_id = 0;
    ASSERT_EQ(::name_to_handle_at(AT_FDCWD, shared.at("outside").c_str(), handle, &mount_id, 0), 0)
        << errno;
    const UniqueFd mounted(::open(shared.at("inside").c_str(), O_RDONLY | O_DIRECTORY));
    expect_refused(mine, kFilesOpen,
                   [&] { return opened(::open_by_handle_at(mounted.get(), handle, O_RDONLY)); });
    ::umount2(shared.at("inside").c_str(), MNT_DETACH);
}

FENCE_TEST(RefusesWritingWhatIsReadOnly, "bh_file_open") {
    Tmpfs own;
    own.write("file");
    BareEnvironment mine("mine");
    mine.own(own.path(), BH_DEVICE_READ_ONLY);
    EXPECT_EQ(Actor::run(&mine, [&] { return opened(::open(own.at("file").c_str(), O_RDONLY)); }),
              0);
    expect_refused(mine, kFilesOpen,
                   [&] { return opened(::open(own.at("file").c_str(), O_WRONLY)); });
}

FENCE_TEST(RefusesKernelFileSystems, "bh_file_open") {
    Tmpfs place;
    place.make_directory("tracing");
    ASSERT_EQ(::mount("tracefs", place.at("tracing").c_str(), "tracefs", 0, nullptr), 0) << errno;
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_KERNEL_FILES, EPERM},
                   [&] { return opened(::open(place.at("tracing/trace").c_str(), O_RDONLY)); });
    ::umount2(place.at("tracing").c_str(), MNT_DETACH);
}

FENCE_TEST(RefusesOurPins, "bh_file_open") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_SELF, EPERM},
                   [] { return opened(::open("/sys/fs/bpf/bulkhead", O_RDONLY)); });
}

FENCE_TEST(RefusesDeviceNodes, "bh_file_open") {
    Tmpfs own;
    ASSERT_EQ(::mknod(own.at("kmsg").c_str(), S_IFCHR | 0666, makedev(1, 11)), 0);
    ASSERT_EQ(::mknod(own.at("null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    BareEnvironment mine("mine");
    mine.own(own.path());
    EXPECT_EQ(Actor::run(&mine, [&] { return opened(::open(own.at("null").c_str(), O_RDWR)); }), 0);
    expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_DEVICES, EPERM},
                   [&] { return opened(::open(own.at("kmsg").c_str(), O_WRONLY)); });
}

// One that any kernel of ours has, and that opening does nothing to.
FENCE_TEST(LetsDevicesBeOpenedThatThePolicyNames, "bh_file_open") {
    struct stat info {};
    ASSERT_EQ(::stat("/dev/cpu_dma_latency", &info), 0);
    Tmpfs own;
    ASSERT_EQ(::mknod(own.at("device").c_str(), S_IFCHR | 0666, info.st_rdev), 0);
    BareEnvironment mine("mine");
    mine.own(own.path());
    constexpr Expected kRefused{BH_HOOK_file_open, BH_CLASS_DEVICES, EPERM};
    const auto open = [&] { return opened(::open(own.at("device").c_str(), O_RDWR)); };
    expect_refused(mine, kRefused, open);
    bh_policy policy{};
    policy.device_count = 1;
    policy.devices[0] = {major(info.st_rdev) << 20 | minor(info.st_rdev), 0, 3};
    put_policy(mine, generation_of(mine), policy);
    EXPECT_EQ(Actor::run(&mine, open), 0);
    policy.devices[0].is_block = 1;
    put_policy(mine, generation_of(mine), policy);
    expect_refused(mine, kRefused, open);
}

FENCE_TEST(RefusesSysctlButNotTheProcessItself, "bh_file_open") {
    BareEnvironment mine("mine");
    mine.own("/proc");
    EXPECT_EQ(Actor::run(&mine, [] { return opened(::open("/proc/self/comm", O_WRONLY)); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return opened(::open("/proc/loadavg", O_RDONLY)); }), 0);
    for (const char* path : {"/proc/sys/kernel/hostname", "/proc/sysrq-trigger"})
        expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_SYSCTL, EPERM},
                       [&] { return opened(::open(path, O_WRONLY)); });
}

FENCE_TEST(RefusesWritingToCgroups, "bh_file_open") {
    BareEnvironment mine("mine");
    mine.own("/sys/fs/cgroup");
    expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_CGROUPS, EPERM},
                   [] { return opened(::open("/sys/fs/cgroup/cgroup.procs", O_WRONLY)); });
}

FENCE_TEST(RefusesLookingThroughALeakedDirectory, "bh_getattr") {
    Tmpfs foreign;
    foreign.write("secret");
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_inode_getattr, BH_CLASS_FILES, EPERM}, [&] {
        struct stat info {};
        return outcome(::fstatat(foreign.directory(), "secret", &info, 0));
    });
}

TEST(Fence, LeavesWhatWasGrantedAlone) {
    Tmpfs foreign;
    foreign.write("stdout");
    BareEnvironment mine("mine");
    struct stat info {};
    ASSERT_EQ(::stat(foreign.at("stdout").c_str(), &info), 0);
    bh_environment record = mine.record();
    record.granted[1] = {info.st_ino, device_of(foreign.path()), 0};
    mine.publish(record);
    EXPECT_EQ(
        Actor::run(&mine, [&] { return opened(::open(foreign.at("stdout").c_str(), O_WRONLY)); }),
        0);
}

FENCE_TEST(RefusesDescriptorsOfForeignFiles, "bh_file_receive") {
    Tmpfs foreign;
    foreign.write("secret");
    const UniqueFd leaked(::open(foreign.at("secret").c_str(), O_RDONLY | O_CLOEXEC));
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS, EPERM},
                   [&] { return receive(leaked.get()); });
}

FENCE_TEST(RefusesDescriptorsOfOurMaps, "bh_file_receive") {
    const auto map = loader::open_pinned(loader::map_pin("bh_meta"));
    ASSERT_TRUE(map.has_value());
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS, EPERM},
                   [&] { return receive(map->get()); });
}

TEST(Fence, LetsOwnDescriptorsPass) {
    Tmpfs own;
    own.write("file");
    BareEnvironment mine("mine");
    mine.own(own.path());
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             std::array<int, 2> ends{};
                             return outcome(::pipe(ends.data())) | receive(ends[0]) |
                                    receive(::open(own.at("file").c_str(), O_RDONLY));
                         }),
              0);
}

}  // namespace
}  // namespace bulkhead::tests
