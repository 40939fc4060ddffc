// Rules on paths where names and attributes change: nothing is made or changed where writing is not
// given, and nothing is moved or linked to where other rights hold.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "tests/kernel/proofs.h"
#include "tests/kernel/tree_fixtures.h"

namespace bulkhead::tests {
namespace {

Expected refused_by(bh_hook hook) {
    return {hook, BH_CLASS_PATHS, EPERM};
}
Expected moved_by(bh_hook hook) {
    return {hook, BH_CLASS_PATHS, EXDEV, EXDEV};
}

// /open and /other may be written, /seen is read only, /closed gives nothing, and /open/way/closed
// neither.
class Place {
public:
    Place() {
        for (const char* name : {"open", "other", "closed", "seen", "open/way", "open/way/closed"})
            fill_directory(place_, name);
    }
    [[nodiscard]] const Tmpfs& files() const { return place_; }
    [[nodiscard]] std::string at(const std::string& name) const { return place_.at(name); }
    [[nodiscard]] bool has(const std::string& name) const { return place_.has(name); }
    [[nodiscard]] static std::vector<TreeRule> rules() {
        return {{"", kAllRights},
                {"closed", 0, 11},
                {"seen", kReadOnly, 12},
                {"open/way/closed", 0, 13}};
    }

private:
    Tmpfs place_;
};

int set_acl(const std::string& path) {
    // posix_acl_xattr: version 2, then tag, permissions, id of: owner, group, others.
    constexpr std::array<__u32, 7> kAcl = {2,          6 << 16 | 1,    0xffffffff, 4 << 16 | 4,
                                           0xffffffff, 4 << 16 | 0x20, 0xffffffff};
    return outcome(
        ::setxattr(path.c_str(), "system.posix_acl_access", kAcl.data(), sizeof kAcl, 0));
}

int renamed(const std::string& from, const std::string& to, unsigned flags = 0) {
    return outcome(::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

FENCE_TEST(RefusesToMakeNamesWhereWritingIsNotGiven, "bh_tree_mknod", "bh_tree_mkdir",
           "bh_tree_symlink") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    const std::string name = place.at("seen/new");
    const auto check = [&](bh_hook hook, const std::function<int()>& make) {
        EXPECT_EQ(Actor::run(&mine, make), EPERM);
        EXPECT_FALSE(place.has("seen/new"));
        expect_refused(mine, refused_by(hook), [&] {
            const int error = make();
            if (::unlink(name.c_str()) != 0)
                ::rmdir(name.c_str());
            return error;
        });
        EXPECT_EQ(mine.last_refusal_by(hook).rule, 12U);
    };
    // Undoing in the same place is refused too: allowed here, that the control can.
    check(BH_HOOK_path_mknod,
          [&] { return opened(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); });
    check(BH_HOOK_path_mknod, [&] { return outcome(::mknod(name.c_str(), S_IFIFO | 0644, 0)); });
    check(BH_HOOK_path_mknod, [&] {
        const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name.copy(address.sun_path, sizeof address.sun_path - 1);
        return outcome(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    });
    check(BH_HOOK_path_mkdir, [&] { return outcome(::mkdir(name.c_str(), 0755)); });
    check(BH_HOOK_path_symlink, [&] { return outcome(::symlink("/", name.c_str())); });
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return outcome(::mkdir(place.at("open/new").c_str(), 0755)) |
                                    outcome(::rmdir(place.at("open/new").c_str()));
                         }),
              0);
}

FENCE_TEST(RefusesToRemoveNamesWhereWritingIsNotGiven, "bh_tree_unlink", "bh_tree_rmdir") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    place.files().write("seen/gone");
    expect_refused(mine, refused_by(BH_HOOK_path_unlink), [&] {
        const int error = outcome(::unlink(place.at("seen/gone").c_str()));
        if (error == 0)
            opened(::open(place.at("seen/gone").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        return error;
    });
    EXPECT_TRUE(place.has("seen/gone"));
    place.files().make_directory("seen/empty");
    expect_refused(mine, refused_by(BH_HOOK_path_rmdir), [&] {
        const int error = outcome(::rmdir(place.at("seen/empty").c_str()));
        if (error == 0)
            ::mkdir(place.at("seen/empty").c_str(), 0755);
        return error;
    });
    EXPECT_TRUE(place.has("seen/empty"));
}

FENCE_TEST(RefusesToMoveToWhereOtherRightsHold, "bh_tree_rename") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    // By the right to write at both names.
    for (const auto& names :
         {std::pair("closed/file", "open/new"), std::pair("open/file", "closed/new"),
          std::pair("seen/sub", "open/new"), std::pair("seen/file", "seen/new"),
          std::pair("open/way/closed", "open/new")}) {
        const char* from = names.first;
        const char* to = names.second;
        EXPECT_EQ(Actor::run(&mine, [&] { return renamed(place.at(from), place.at(to)); }), EPERM);
        EXPECT_TRUE(place.has(from));
        EXPECT_FALSE(place.has(to));
        expect_refused(mine, refused_by(BH_HOOK_path_rename), [&] {
            const int error = renamed(place.at(from), place.at(to));
            return error != 0 ? error : renamed(place.at(to), place.at(from));
        });
    }
    expect_refused(mine, refused_by(BH_HOOK_path_rename), [&] {
        return renamed(place.at("open/file"), place.at("closed/file"), RENAME_EXCHANGE);
    });
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_path_rename).rule, 11U);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return renamed(place.at("open/sub"), place.at("other/new")) |
                                    renamed(place.at("other/new"), place.at("open/sub")) |
                                    renamed(place.at("open/file"), place.at("other/file"),
                                            RENAME_EXCHANGE);
                         }),
              0);
}

FENCE_TEST(RefusesToMoveADirectoryOnTheWayToARule, "bh_tree_rename") {
    const Place place;
    std::vector<TreeRule> rules = Place::rules();
    rules.push_back({"open/later/secret", 0, 14});
    Ruled mine(place.files(), rules);
    expect_refused(mine, moved_by(BH_HOOK_path_rename), [&] {
        const int error = renamed(place.at("open/way"), place.at("open/new"));
        return error != 0 ? error : renamed(place.at("open/new"), place.at("open/way"));
    });
    EXPECT_TRUE(place.has("open/way"));
    expect_refused(mine, moved_by(BH_HOOK_path_rename), [&] {
        return renamed(place.at("open/way"), place.at("other/sub"), RENAME_EXCHANGE);
    });
    // Nor does one take the place of what a rule waits for.
    expect_refused(mine, moved_by(BH_HOOK_path_rename), [&] {
        const int error = renamed(place.at("other/sub"), place.at("open/later"));
        return error != 0 ? error : renamed(place.at("open/later"), place.at("other/sub"));
    });
    EXPECT_FALSE(place.has("open/later"));
}

FENCE_TEST(RefusesToMoveToWhereOtherWritingHolds, "bh_tree_rename") {
    const Place place;
    Ruled mine(place.files(), {{"", kAllRights}, {"other", kReadWrite, 11}});
    expect_refused(mine, moved_by(BH_HOOK_path_rename), [&] {
        const int error = renamed(place.at("other/file"), place.at("open/new"));
        return error != 0 ? error : renamed(place.at("open/new"), place.at("other/file"));
    });
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_path_rename).rule, 11U);
    EXPECT_FALSE(place.has("open/new"));
}

// What was found for a file or its directory before does not outlive what audit mode let move.
FENCE_TEST(RefusesWhatWasMovedWhileNothingWasRefused, "bh_tree_open") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    const auto set_mode = [&](bh_mode mode) {
        loader::ControlChange change;
        change.mode = mode;
        ASSERT_TRUE(mine.change(change).has_value());
    };
    const auto read_all = [&](const char* directory) {
        return Actor::run(&mine, [&] {
            const std::string at = place.at(directory);
            const int file = read_file(at + "/file"), deep = read_file(at + "/sub/deep");
            return file == deep ? file : -1;
        });
    };
    const __u32 generation = generation_of(mine);
    EXPECT_EQ(read_all("open"), 0);
    set_mode(BH_MODE_AUDIT);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return ::unlink(place.at("closed/file").c_str()) |
                                    ::unlink(place.at("closed/sub/deep").c_str()) |
                                    ::rmdir(place.at("closed/sub").c_str()) |
                                    renamed(place.at("open/file"), place.at("closed/file")) |
                                    renamed(place.at("open/sub"), place.at("closed/sub"));
                         }),
              0);
    EXPECT_EQ(read_all("closed"), 0);
    set_mode(BH_MODE_ENFORCE);
    EXPECT_EQ(generation_of(mine), generation) << "no new rows were published";
    EXPECT_EQ(read_all("closed"), EPERM);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 11U);
}

FENCE_TEST(RefusesToLinkToWhereOtherRightsHold, "bh_tree_link") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    const auto link_and_undo = [&](const char* from, const char* to) {
        return [&place, from, to] {
            const int error = outcome(::link(place.at(from).c_str(), place.at(to).c_str()));
            ::unlink(place.at(to).c_str());
            return error;
        };
    };
    expect_refused(mine, moved_by(BH_HOOK_path_link), link_and_undo("closed/file", "open/new"));
    expect_refused(mine, moved_by(BH_HOOK_path_link), link_and_undo("seen/file", "open/new"));
    EXPECT_FALSE(place.has("open/new"));
    expect_refused(mine, refused_by(BH_HOOK_path_link), link_and_undo("open/file", "seen/new"));
    // By descriptor: what is opened for its path only, and a file without a name.
    expect_refused(mine, moved_by(BH_HOOK_path_link), [&] {
        const UniqueFd fd(::open(place.at("closed/file").c_str(), O_PATH | O_CLOEXEC));
        const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
        const int error = outcome(::linkat(AT_FDCWD, path.c_str(), AT_FDCWD,
                                           place.at("open/new").c_str(), AT_SYMLINK_FOLLOW));
        ::unlink(place.at("open/new").c_str());
        return error;
    });
    EXPECT_EQ(Actor::run(&mine, link_and_undo("open/file", "other/new")), 0);
}

FENCE_TEST(RefusesToChangeAttributesWhereWritingIsNotGiven, "bh_tree_attr") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    const std::string file = place.at("seen/file");
    const auto check = [&](const std::function<int()>& change) {
        expect_refused(mine, refused_by(BH_HOOK_inode_setattr), change);
        EXPECT_EQ(mine.last_refusal_by(BH_HOOK_inode_setattr).rule, 12U);
    };
    check([&] { return outcome(::chmod(file.c_str(), 0640)); });
    check([&] { return outcome(::chown(file.c_str(), 1, 1)); });
    check([&] { return outcome(::utimensat(AT_FDCWD, file.c_str(), nullptr, 0)); });
    check([&] {
        const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        return outcome(::fchmod(fd.get(), 0644));
    });
    EXPECT_EQ(
        Actor::run(&mine, [&] { return outcome(::chmod(place.at("open/file").c_str(), 0644)); }),
        0);
}

FENCE_TEST(RefusesToTruncateWhereWritingIsNotGiven, "bh_tree_trunc") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    expect_refused(mine, refused_by(BH_HOOK_path_truncate),
                   [&] { return outcome(::truncate(place.at("seen/file").c_str(), 3)); });
    struct stat info {};
    ASSERT_EQ(::stat(place.at("seen/file").c_str(), &info), 0);
    place.files().write("seen/whole");
    EXPECT_EQ(
        Actor::run(&mine, [&] { return outcome(::truncate(place.at("seen/whole").c_str(), 0)); }),
        EPERM);
    ASSERT_EQ(::stat(place.at("seen/whole").c_str(), &info), 0);
    EXPECT_GT(info.st_size, 0);
}

FENCE_TEST(RefusesExtendedAttributesWhereWritingIsNotGiven, "bh_tree_setx", "bh_tree_rmx") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    mine.allow(BH_CLASS_CAPABILITIES);
    const std::string file = place.at("seen/file");
    expect_refused(mine, refused_by(BH_HOOK_inode_setxattr),
                   [&] { return outcome(::setxattr(file.c_str(), "trusted.mark", "v", 1, 0)); });
    expect_refused(mine, refused_by(BH_HOOK_inode_removexattr), [&] {
        const int error = outcome(::removexattr(file.c_str(), "trusted.mark"));
        if (error == 0)
            ::setxattr(file.c_str(), "trusted.mark", "v", 1, 0);
        return error;
    });
}

FENCE_TEST(RefusesAclsWhereWritingIsNotGiven, "bh_tree_acl") {
    const bh_hook hook = has_hook("inode_set_acl") ? BH_HOOK_inode_set_acl : BH_HOOK_inode_setxattr;
    const Place place;
    Ruled mine(place.files(), Place::rules());
    expect_refused(mine, refused_by(hook), [&] { return set_acl(place.at("seen/file")); });
    EXPECT_EQ(mine.last_refusal_by(hook).rule, 12U);
}

}  // namespace
}  // namespace bulkhead::tests
