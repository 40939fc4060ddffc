// Changes through a directory that leaked in: refused on a foreign super block, and nothing
// changes.
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

// A foreign tmpfs with one file, and an environment whose list is empty.
class LeakedDirectory {
public:
    LeakedDirectory() { foreign_.write("file"); }

    [[nodiscard]] const Tmpfs& foreign() const { return foreign_; }
    [[nodiscard]] int fd() const { return foreign_.directory(); }
    BareEnvironment& environment() { return mine_; }
    void expect_refused_by(bh_hook hook, const std::function<int()>& act) {
        expect_refused(mine_, {hook, BH_CLASS_FILES, EPERM}, act);
    }

private:
    Tmpfs foreign_;
    BareEnvironment mine_{"mine"};
};

FENCE_TEST(MakesNoNodeInALeakedDirectory, "bh_mknod") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_mknod, [&] {
        const int error = outcome(::mknodat(leaked.fd(), "fifo", S_IFIFO | 0600, 0));
        return error != 0 ? error : outcome(::unlinkat(leaked.fd(), "fifo", 0));
    });
}

FENCE_TEST(MakesNoDirectoryInALeakedDirectory, "bh_mkdir") {
    LeakedDirectory leaked;
    const auto make = [&] { return outcome(::mkdirat(leaked.fd(), "d", 0700)); };
    EXPECT_EQ(Actor::run(&leaked.environment(), make), EPERM);
    EXPECT_FALSE(leaked.foreign().has("d"));
    leaked.expect_refused_by(BH_HOOK_path_mkdir, [&] {
        const int error = make();
        return error != 0 ? error : outcome(::unlinkat(leaked.fd(), "d", AT_REMOVEDIR));
    });
}

FENCE_TEST(RemovesNoDirectoryFromALeakedDirectory, "bh_rmdir") {
    LeakedDirectory leaked;
    leaked.foreign().make_directory("d");
    leaked.expect_refused_by(BH_HOOK_path_rmdir, [&] {
        const int error = outcome(::unlinkat(leaked.fd(), "d", AT_REMOVEDIR));
        return error != 0 ? error : outcome(::mkdirat(leaked.fd(), "d", 0700));
    });
    EXPECT_TRUE(leaked.foreign().has("d"));
}

FENCE_TEST(RemovesNoFileFromALeakedDirectory, "bh_unlink") {
    LeakedDirectory leaked;
    const auto remove = [&] { return outcome(::unlinkat(leaked.fd(), "file", 0)); };
    EXPECT_EQ(Actor::run(&leaked.environment(), remove), EPERM);
    EXPECT_TRUE(leaked.foreign().has("file"));
    leaked.expect_refused_by(BH_HOOK_path_unlink, [&] {
        const int error = remove();
        return error != 0 ? error : outcome(::mknodat(leaked.fd(), "file", S_IFREG | 0600, 0));
    });
}

FENCE_TEST(MakesNoSymbolicLinkInALeakedDirectory, "bh_symlink") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_symlink, [&] {
        const int error = outcome(::symlinkat("/", leaked.fd(), "link"));
        return error != 0 ? error : outcome(::unlinkat(leaked.fd(), "link", 0));
    });
}

FENCE_TEST(MakesNoLinkInALeakedDirectory, "bh_link") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_link, [&] {
        const int error = outcome(::linkat(leaked.fd(), "file", leaked.fd(), "link", 0));
        return error != 0 ? error : outcome(::unlinkat(leaked.fd(), "link", 0));
    });
}

FENCE_TEST(RenamesNothingInALeakedDirectory, "bh_rename") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_rename, [&] {
        const int error = outcome(::renameat(leaked.fd(), "file", leaked.fd(), "moved"));
        return error != 0 ? error : outcome(::renameat(leaked.fd(), "moved", leaked.fd(), "file"));
    });
}

FENCE_TEST(TruncatesNoForeignFile, "bh_truncate") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_truncate, [&] {
        return outcome(::truncate(leaked.foreign().at("file").c_str(), 3));
    });
}

FENCE_TEST(ChangesNoModeOfAForeignFile, "bh_chmod") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_chmod,
                             [&] { return outcome(::fchmodat(leaked.fd(), "file", 0600, 0)); });
}

FENCE_TEST(ChangesNoOwnerOfAForeignFile, "bh_chown") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_path_chown,
                             [&] { return outcome(::fchownat(leaked.fd(), "file", 1, 1, 0)); });
}

FENCE_TEST(ChangesNoTimeOfAForeignFile, "bh_setattr") {
    LeakedDirectory leaked;
    leaked.expect_refused_by(BH_HOOK_inode_setattr, [&] {
        const std::array<timespec, 2> times{};
        return outcome(::utimensat(leaked.fd(), "file", times.data(), 0));
    });
}

FENCE_TEST(SetsNoExtendedAttributeOfAForeignFile, "bh_setxattr") {
    LeakedDirectory leaked;
    leaked.environment().allow(BH_CLASS_CAPABILITIES);
    leaked.expect_refused_by(BH_HOOK_inode_setxattr, [&] {
        return outcome(::setxattr(leaked.foreign().at("file").c_str(), "trusted.x", "v", 1, 0));
    });
}

FENCE_TEST(RemovesNoExtendedAttributeOfAForeignFile, "bh_rmxattr") {
    LeakedDirectory leaked;
    const std::string file = leaked.foreign().at("file");
    ASSERT_EQ(::setxattr(file.c_str(), "trusted.x", "v", 1, 0), 0);
    leaked.environment().allow(BH_CLASS_CAPABILITIES);
    leaked.expect_refused_by(BH_HOOK_inode_removexattr, [&] {
        const int error = outcome(::removexattr(file.c_str(), "trusted.x"));
        return error != 0 ? error : outcome(::setxattr(file.c_str(), "trusted.x", "v", 1, 0));
    });
}

FENCE_TEST(SetsNoAclOfAForeignFile, "bh_set_acl") {
    // posix_acl_xattr: version 2, then tag, permissions, id of: owner, group, others.
    constexpr std::array<__u32, 7> kAcl = {2,          6 << 16 | 1,    0xffffffff, 4 << 16 | 4,
                                           0xffffffff, 4 << 16 | 0x20, 0xffffffff};
    const bh_hook hook = has_hook("inode_set_acl") ? BH_HOOK_inode_set_acl : BH_HOOK_inode_setxattr;
    LeakedDirectory leaked;
    leaked.expect_refused_by(hook, [&] {
        return outcome(::setxattr(leaked.foreign().at("file").c_str(), "system.posix_acl_access",
                                  kAcl.data(), sizeof kAcl, 0));
    });
}

FENCE_TEST(MakesNoDeviceNodeOnItsOwnFileSystem, "bh_mknod") {
    Tmpfs own;
    BareEnvironment mine("mine");
    mine.own(own.path());
    expect_refused(mine, {BH_HOOK_path_mknod, BH_CLASS_DEVICES, EPERM}, [&] {
        const int error = outcome(::mknod(own.at("mem").c_str(), S_IFCHR | 0600, makedev(1, 1)));
        return error != 0 ? error : outcome(::unlink(own.at("mem").c_str()));
    });
    const auto make = [&](__u32 mode, dev_t device) {
        return Actor::run(&mine, [&] {
            const int error = outcome(::mknod(own.at("null").c_str(), mode | 0600, device));
            return error != 0 ? error : outcome(::unlink(own.at("null").c_str()));
        });
    };
    EXPECT_EQ(make(S_IFCHR, makedev(1, 3)), 0) << "it is harmless";
    EXPECT_EQ(make(S_IFBLK, 0), 0) << "it is none";
    EXPECT_EQ(make(S_IFBLK, makedev(1, 3)), EPERM);
}

FENCE_TEST(MakesNoCgroup, "bh_mkdir") {
    BareEnvironment mine("mine");
    mine.own("/sys/fs/cgroup");
    const std::string child = mine.cgroup() + "/child";
    expect_refused(mine, {BH_HOOK_path_mkdir, BH_CLASS_CGROUPS, EPERM}, [&] {
        const int error = outcome(::mkdir(child.c_str(), 0755));
        return error != 0 ? error : outcome(::rmdir(child.c_str()));
    });
}

// The layers lie on super blocks that are not in the list; overlayfs reaches them by itself.
TEST(Fence, LeavesOverlayfsToItsLayers) {
    Tmpfs layers;
    for (const char* name : {"lower", "upper", "work", "merged", "lower/d"})
        layers.make_directory(name);
    for (const char* name : {"lower/a", "lower/b", "lower/d/c"})
        layers.write(name);
    const std::string merged = layers.at("merged");
    const std::string options = "lowerdir=" + layers.at("lower") +
                                ",upperdir=" + layers.at("upper") + ",workdir=" + layers.at("work");
    ASSERT_EQ(::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0) << errno;
    BareEnvironment mine("mine");
    mine.own(merged);
    const int error = Actor::run(&mine, [&] {
        char byte = 0;
        const int a = ::open((merged + "/a").c_str(), O_RDONLY);
        if (outcome(::read(a, &byte, 1)) != 0)
            return 1;
        std::error_code code;
        if (std::filesystem::directory_iterator(merged + "/d", code) ==
            std::filesystem::directory_iterator())
            return 2;
        std::ofstream(merged + "/a") << "changed";
        std::ofstream(merged + "/new") << "new";
        return outcome(::chmod((merged + "/b").c_str(), 0600)) |
               outcome(::mkdir((merged + "/e").c_str(), 0700)) |
               outcome(::rename((merged + "/new").c_str(), (merged + "/d/new").c_str())) |
               outcome(::unlink((merged + "/b").c_str()));
    });
    EXPECT_EQ(error, 0);
    EXPECT_TRUE(layers.has("upper/a"));
    EXPECT_TRUE(layers.has("upper/d/new"));
    EXPECT_EQ(mine.state().refusal_count, 0U);
    if (mine.state().refusal_count != 0)
        ADD_FAILURE() << mine.last_refusal().hook << " " << mine.last_refusal().text[0];
    EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace bulkhead::tests
