// Rules on paths where files are opened: what they give, and all other ways to the same file.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/kernel/proofs.h"
#include "tests/kernel/tree_fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kOpen{BH_HOOK_file_open, BH_CLASS_PATHS, EPERM};
constexpr Expected kFlags{BH_HOOK_file_fcntl, BH_CLASS_PATHS, EPERM};

std::string descriptor_path(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
}

// /open may be read and written, /closed gives nothing, /seen is read only, /log is appended to.
class Place {
public:
    Place() {
        for (const char* name : {"open", "closed", "seen", "log"})
            fill_directory(place_, name);
    }
    [[nodiscard]] const Tmpfs& files() const { return place_; }
    [[nodiscard]] std::string at(const std::string& name) const { return place_.at(name); }
    [[nodiscard]] static std::vector<TreeRule> rules() {
        return {{"", kAllRights},
                {"closed", 0, 11},
                {"closed/sub/given", kReadOnly, 12},
                {"seen", kReadOnly, 13},
                {"log", BH_RIGHT_READ | BH_RIGHT_APPEND, 14}};
    }

private:
    Tmpfs place_;
};

FENCE_TEST(RefusesToOpenWhatNoRuleGives, "bh_tree_open") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    expect_refused(mine, kOpen, [&] { return read_file(place.at("closed/file")); });
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_open);
    EXPECT_EQ(row.rule, 11U);
    EXPECT_EQ(row.flags & BH_REFUSAL_INTERNAL, 0);
    EXPECT_EQ(row.object[3], static_cast<__u64>(BH_RIGHT_READ));
    EXPECT_STREQ(row.text[0], "file");
    EXPECT_STREQ(row.text[1], "closed");
    expect_refused(mine, kOpen, [&] { return read_file(place.at("closed/sub/deep")); });
    expect_refused(mine, kOpen, [&] { return read_file(place.at("closed")); });
    expect_refused(mine, kOpen, [&] { return write_file(place.at("seen/file")); });
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 13U);
    expect_refused(mine, kOpen, [&] {
        return opened(::open(place.at("seen/file").c_str(), O_RDONLY | O_TRUNC | O_CLOEXEC));
    });
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return read_file(place.at("open/sub/deep")) |
                                    write_file(place.at("open/file")) |
                                    read_file(place.at("seen/sub/deep"));
                         }),
              0);
}

FENCE_TEST(RefusesAllWritingButAppending, "bh_tree_open") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    expect_refused(mine, kOpen, [&] { return write_file(place.at("log/file")); });
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 14U);
    expect_refused(mine, kOpen, [&] {
        return opened(::open(place.at("log/file").c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
    });
    expect_refused(mine, kOpen, [&] {
        return opened(
            ::open(place.at("log/file").c_str(), O_WRONLY | O_APPEND | O_TRUNC | O_CLOEXEC));
    });
    EXPECT_EQ(Actor::run(&mine, [&] { return append_file(place.at("log/file")); }), 0);
}

FENCE_TEST(RefusesToStopAppending, "bh_tree_fcntl") {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    expect_refused(mine, kFlags, [&] {
        const UniqueFd fd(::open(place.at("log/file").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
        return outcome(::fcntl(fd.get(), F_SETFL, 0));
    });
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const UniqueFd log(::open(place.at("log/file").c_str(),
                                                       O_WRONLY | O_APPEND | O_CLOEXEC));
                             const UniqueFd open(::open(place.at("open/file").c_str(),
                                                        O_WRONLY | O_APPEND | O_CLOEXEC));
                             return outcome(::fcntl(log.get(), F_SETFL, O_APPEND | O_NONBLOCK)) |
                                    outcome(::fcntl(open.get(), F_SETFL, 0));
                         }),
              0);
}

TEST(Fence, RefusesWhatARuleNamesByWhicheverPath) {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    ASSERT_EQ(::symlink("../closed/file", place.at("open/link").c_str()), 0);
    expect_refused(mine, kOpen, [&] { return read_file(place.at("open/link")); });
    expect_refused(mine, kOpen, [&] { return read_file(place.at("open/../closed/sub/../file")); });
    expect_refused(mine, kOpen,
                   [&] { return read_file("/proc/self/root" + place.at("closed/file")); });
    expect_refused(mine, kOpen, [&] {
        return ::chdir(place.at("closed/sub").c_str()) != 0 ? errno : read_file("deep");
    });
    // O_PATH is not opening; opening it again is.
    expect_refused(mine, kOpen, [&] {
        const UniqueFd fd(::open(place.at("closed/file").c_str(), O_PATH | O_CLOEXEC));
        return read_file(descriptor_path(fd.get()));
    });
    expect_refused(mine, kOpen, [&] {
        const UniqueFd fd(::open(place.at("seen/file").c_str(), O_RDONLY | O_CLOEXEC));
        return write_file(descriptor_path(fd.get()));
    });
    expect_refused(mine, kOpen, [&] {
        const UniqueFd fd(::open(place.at("closed").c_str(), O_PATH | O_CLOEXEC));
        return opened(::openat(fd.get(), "sub/deep", O_RDONLY | O_CLOEXEC));
    });
}

TEST(Fence, RefusesWhatARuleNamesUnderAnotherRootAndMount) {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    mine.allow(BH_CLASS_MOUNTS);
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, kOpen, [&] {
        return ::chroot(place.at("closed").c_str()) != 0 ? errno : read_file("/sub/deep");
    });
    const auto mounted = [&](const char* what, const char* where, const char* file) {
        return [&place, what, where, file] {
            ::unshare(CLONE_NEWNS);
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
            if (::mount(place.at(what).c_str(), place.at(where).c_str(), nullptr, MS_BIND,
                        nullptr) != 0)
                return errno;
            return read_file(place.at(file));
        };
    };
    expect_refused(mine, kOpen, mounted("closed", "open/sub", "open/sub/file"));
    expect_refused(mine, kOpen, mounted("closed/file", "open/file", "open/file"));
    // What is mounted there is not what the rule names.
    EXPECT_EQ(Actor::run(&mine, mounted("open", "closed/sub", "closed/sub/file")), 0);
}

// Whether the directory was asked about before is no matter: a rule on a name in it holds.
FENCE_TEST(RefusesAFileThatARuleNamesBesideOthers, "bh_tree_open") {
    const Place place;
    std::vector<TreeRule> rules = Place::rules();
    rules.push_back({"open/secret", 0, 21});
    rules.push_back({"open/sub/secret", 0, 22});
    Ruled mine(place.files(), rules);
    for (const char* directory : {"open/", "open/sub/"}) {
        const std::string at = place.at(directory);
        place.files().write(std::string(directory) + "secret");
        place.files().write(std::string(directory) + "secrets");
        place.files().write(std::string(directory) + "new");
        expect_refused(mine, kOpen, [&] { return read_file(at + "secret"); });
        EXPECT_EQ(
            Actor::run(&mine, [&] { return write_file(at + "secrets") | write_file(at + "new"); }),
            0);
        expect_refused(mine, kOpen, [&] { return read_file(at + "secret"); });
    }
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 22U);
    // A directory that moved to where the same holds takes what was found along.
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const std::string at = place.at("open/");
                             ::mkdir((at + "made").c_str(), 0755);
                             const int made =
                                 opened(::open((at + "made/file").c_str(), O_CREAT | O_RDWR, 0644));
                             ::rename((at + "made").c_str(), (at + "moved").c_str());
                             return made | write_file(at + "moved/file");
                         }),
              0);
}

TEST(Fence, FindsARuleAbove200LevelsAndLongNames) {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    const auto make_deep = [&](const std::string& top, const std::string& name) {
        ASSERT_EQ(::chdir(place.at(top).c_str()), 0);
        for (int level = 0; level < 200; ++level) {
            ASSERT_EQ(::mkdir(name.c_str(), 0755), 0);
            ASSERT_EQ(::chdir(name.c_str()), 0);
        }
        ASSERT_EQ(opened(::open("bottom", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
        ASSERT_EQ(::chdir("/"), 0);
    };
    const auto read_deep = [&](const std::string& top, const std::string& name) {
        if (::chdir(place.at(top).c_str()) != 0)
            return errno;
        for (int level = 0; level < 200; ++level)
            if (::chdir(name.c_str()) != 0)
                return errno;
        return read_file("bottom");
    };
    const std::string longest(255, 'n');
    for (const char* top : {"closed", "open"}) {
        make_deep(top, "d");
        make_deep(top, longest);
    }
    expect_refused(mine, kOpen, [&] { return read_deep("closed", "d"); });
    expect_refused(mine, kOpen, [&] { return read_deep("closed", longest); });
    EXPECT_EQ(
        Actor::run(&mine, [&] { return read_deep("open", "d") | read_deep("open", longest); }), 0);
}

TEST(Fence, TellsNamesApartThatBeginAlike) {
    const Tmpfs place;
    const std::string longest(255, 'x');
    std::string other = longest;
    other.back() = 'y';
    for (const std::string& name :
         {longest, other, longest.substr(0, 254), std::string("a"), std::string("ab"),
          std::string("abcdefgh"), std::string("abcdefghi")})
        place.write(name);
    Ruled mine(place, {{"", kAllRights}, {longest, 0, 3}, {"abcdefgh", 0, 4}, {"ab", 0, 5}});
    for (const std::string& name : {longest, std::string("abcdefgh"), std::string("ab")})
        expect_refused(mine, kOpen, [&] { return read_file(place.at(name)); });
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return read_file(place.at(other)) |
                                    read_file(place.at(longest.substr(0, 254))) |
                                    read_file(place.at("a")) | read_file(place.at("abcdefghi"));
                         }),
              0);
}

TEST(Fence, HoldsARuleForWhatAppearsLaterOrAgain) {
    const Place place;
    std::vector<TreeRule> rules = Place::rules();
    rules.push_back({"open/later/secret", 0, 15});
    Ruled mine(place.files(), rules);
    const auto appear = [&] {
        ::mkdir(place.at("open/later").c_str(), 0755);
        ::mkdir(place.at("open/later/secret").c_str(), 0755);
        opened(::open(place.at("open/later/secret/file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC,
                      0644));
    };
    const auto disappear = [&] {
        ::unlink(place.at("open/later/secret/file").c_str());
        ::rmdir(place.at("open/later/secret").c_str());
        ::rmdir(place.at("open/later").c_str());
    };
    for (int time = 0; time < 2; ++time) {
        appear();
        expect_refused(mine, kOpen, [&] { return read_file(place.at("open/later/secret/file")); });
        EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 15U);
        EXPECT_EQ(Actor::run(&mine, [&] { return read_file(place.at("open/later")); }), 0);
        disappear();
    }
}

TEST(Fence, RefusesWhatCannotBeResolved) {
    const Place place;
    Ruled mine(place.files(), Place::rules());
    ASSERT_EQ(::chdir(place.at("open").c_str()), 0);
    for (int level = 0; level < 300; ++level) {
        ASSERT_EQ(::mkdir("d", 0755), 0);
        ASSERT_EQ(::chdir("d"), 0);
    }
    EXPECT_EQ(Actor::run(nullptr, [] { return read_file("."); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return read_file("."); }), EPERM);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).flags, BH_REFUSAL_INTERNAL);
    EXPECT_GT(mine.state().internal, 0U);
    ASSERT_EQ(::chdir("/"), 0);
}

TEST(Fence, RefusesAllFilesWhereTheTreesAreMissing) {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    mine.refuse(BH_CLASS_PATHS);
    EXPECT_EQ(Actor::run(&mine, [] { return read_file("/etc/passwd"); }), EPERM);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).flags, BH_REFUSAL_INTERNAL);
}

}  // namespace
}  // namespace bulkhead::tests
