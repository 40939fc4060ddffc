// The mount family, old and new, and a root directory that is left again.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

// glibc's <sys/mount.h> and the kernel's <linux/mount.h> declare the same names.
extern "C" {
int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
int umount2(const char*, int) noexcept;
}

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "mounts";
constexpr const char* kAdminLock = "user namespace; CAP_SYS_ADMIN is dropped";
constexpr int kDetach = 2;
constexpr unsigned long kBind = 4096;

int system_call(long number, auto... arguments) {
    return static_cast<int>(::syscall(number, arguments...));
}

// By the capability that all of it asks for, and by the hook that comes after where there is one.
constexpr SecondLock kCapability{BH_HOOK_capable, BH_CLASS_CAPABILITIES};

ESCAPE(MountOld, kGroup, "mount: a file system of the host bound", kAdminLock,
       {{BH_HOOK_sb_mount, BH_CLASS_MOUNTS}}) {
    const Tmpfs place;
    place.make_directory("etc");
    const std::string target = place.at("etc");
    expect_stopped(technique,
                   {.act = [&] { return outcome(::mount("/etc", target.c_str(), "", kBind, "")); },
                    .object = "etc",
                    .effect = [&] { return place.has("etc/passwd"); },
                    .undo = [&] { ::umount2(target.c_str(), kDetach); },
                    .passing = {BH_CLASS_CAPABILITIES}});
}

ESCAPE(MountNew, kGroup, "fsopen, fsconfig, fsmount", kAdminLock, {kCapability}) {
    expect_stopped(technique, {.act = [] { return opened(system_call(SYS_fsopen, "tmpfs", 0)); },
                               .object = "capability 21"});
}

ESCAPE(OpenTree, kGroup, "open_tree(OPEN_TREE_CLONE) of a host directory", kAdminLock,
       {kCapability}) {
    expect_stopped(
        technique,
        {.act =
             [] { return opened(system_call(SYS_open_tree, AT_FDCWD, "/etc", OPEN_TREE_CLONE)); },
         .object = "capability 21"});
}

ESCAPE(MountSetattr, kGroup, "mount_setattr: a read-only mount made writable", kAdminLock,
       {kCapability}) {
    const Tmpfs place;
    const auto change = [&](__u64 set, __u64 clear) {
        mount_attr attributes{};
        attributes.attr_set = set;
        attributes.attr_clr = clear;
        return outcome(::syscall(SYS_mount_setattr, AT_FDCWD, place.path().c_str(), 0, &attributes,
                                 sizeof attributes));
    };
    ASSERT_EQ(change(MOUNT_ATTR_RDONLY, 0), 0);
    expect_stopped(technique, {.act = [&] { return change(0, MOUNT_ATTR_RDONLY); },
                               .object = "capability 21",
                               .effect = [&] { return ::access(place.path().c_str(), W_OK) == 0; },
                               .undo = [&] { change(MOUNT_ATTR_RDONLY, 0); }});
}

ESCAPE(Unmask, kGroup, "umount of what hides a file", kAdminLock,
       {{BH_HOOK_sb_umount, BH_CLASS_MOUNTS}}) {
    const Tmpfs place;
    place.make_directory("masked");
    place.write("masked/secret");
    const std::string mask = place.at("masked");
    const auto hide = [&] { ::mount("tmpfs", mask.c_str(), "tmpfs", 0, nullptr); };
    hide();
    expect_stopped(technique, {.act = [&] { return outcome(::umount2(mask.c_str(), kDetach)); },
                               .effect = [&] { return place.has("masked/secret"); },
                               .undo = hide,
                               .passing = {BH_CLASS_CAPABILITIES}});
    ::umount2(mask.c_str(), kDetach);
}

ESCAPE(PivotRoot, kGroup, "pivot_root", kAdminLock, {kCapability}) {
    const Tmpfs place;
    place.make_directory("old");
    expect_stopped(technique, {.act =
                                   [&] {
                                       // Past the capability the guest's own root is refused: it is
                                       // shared.
                                       const int error =
                                           outcome(::syscall(SYS_pivot_root, place.path().c_str(),
                                                             place.at("old").c_str()));
                                       return error == EINVAL ? 0 : error;
                                   },
                               .object = "capability 21"});
}

ESCAPE(ChrootBreak, kGroup, "chroot left again through a held directory",
       "the root is a mount of its own, pivoted to", {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Tmpfs own;
    own.make_directory("root");
    own.make_directory("root/inner");
    BareEnvironment mine("mine");
    mine.own(own.path());
    const std::string root = own.at("root");
    expect_stopped(technique, mine,
                   {.act =
                        [&] {
                            if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0)
                                return errno;
                            const int held = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                            if (::chroot("inner") != 0 || ::fchdir(held) != 0)
                                return errno;
                            for (int i = 0; i < 16; ++i)
                                (void)!::chdir("..");
                            return opened(::open("etc/passwd", O_RDONLY | O_CLOEXEC));
                        },
                    .object = "passwd"});
}

}  // namespace
}  // namespace bulkhead::tests
