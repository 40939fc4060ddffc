// Rules on paths where what holds is known from what was decided above: that this gives nothing
// that no rule gives.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "loader/tree_rules.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/tree_fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kOpen{BH_HOOK_file_open, BH_CLASS_PATHS, EPERM};

// What is asked about twice is kept.
constexpr int kTimes = 3;
// Each check of a refusal changes the control word, and so takes generations.
constexpr __u32 kAhead = 50;

class Deep {
public:
    Deep() {
        for (const char* path : {"top", "top/a", "top/a/b", "top/a/b/c", "top/a/b/c/d", "top/x"}) {
            place_.make_directory(path);
            place_.write(std::string(path) + "/file");
        }
    }
    [[nodiscard]] const Tmpfs& files() const { return place_; }
    [[nodiscard]] std::string at(const std::string& name) const { return place_.at(name); }

    [[nodiscard]] int read(BareEnvironment* inside, const std::string& name) const {
        return Actor::run(inside, [&] { return read_file(at(name)); });
    }
    void expect_read(BareEnvironment* inside, const std::string& name) const {
        for (int time = 0; time < kTimes; ++time)
            EXPECT_EQ(read(inside, name), 0) << name;
    }
    void expect_refused_by(BareEnvironment& inside, const std::string& name, __u32 rule) const {
        for (int time = 0; time < kTimes; ++time) {
            expect_refused(inside, kOpen, [&] { return read_file(at(name)); });
            EXPECT_EQ(inside.last_refusal_by(BH_HOOK_file_open).rule, rule) << name;
        }
    }

private:
    Tmpfs place_;
};

FENCE_TEST(RefusesWhatARuleNamesFarBeneathWhatWasDecided, "bh_tree_open") {
    const Deep place;
    Ruled mine(place.files(),
               {{"", kAllRights}, {"top/a/b", 0, 21}, {"top/a/b/c/d", kReadOnly, 22}});
    for (const char* name : {"top/x/file", "top/file", "top/a/file"})
        place.expect_read(&mine, name);
    place.expect_refused_by(mine, "top/a/b/c/file", 21);
    place.expect_refused_by(mine, "top/a/b/file", 21);
    place.expect_read(&mine, "top/a/b/c/d/file");
    place.expect_refused_by(mine, "top/a/b/c/file", 21);
}

FENCE_TEST(RefusesBeneathANodeThatWasDecidedFirst, "bh_tree_open") {
    const Deep place;
    Ruled mine(place.files(), {{"", 0, 31}, {"top/a/b/c/d", kReadOnly, 32}});
    place.expect_read(&mine, "top/a/b/c/d/file");
    for (const char* name : {"top/a/b/c/file", "top/a/file", "top/x/file", "top/file"})
        place.expect_refused_by(mine, name, 31);
    place.expect_read(&mine, "top/a/b/c/d/file");
}

FENCE_TEST(JudgesWhatMovedOutOfADirectoryByItsNewPlace, "bh_tree_open") {
    const Deep place;
    Ruled mine(place.files(), {{"", kAllRights}, {"top/x/inner", 0, 41}});
    place.expect_read(&mine, "top/a/b/c/file");
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return outcome(::rename(place.at("top/a/b/c").c_str(),
                                                     place.at("top/x/c").c_str()));
                         }),
              0);
    place.expect_read(&mine, "top/x/c/d/file");
    place.files().make_directory("top/x/inner");
    place.files().write("top/x/inner/file");
    place.expect_refused_by(mine, "top/x/inner/file", 41);
}

// What was decided above is of the policy that was published then.
FENCE_TEST(JudgesByTheNextPolicyWhatTheLastDecidedAbove, "bh_tree_open") {
    const Deep place;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    mine.refuse(BH_CLASS_PATHS);
    const __u32 generation = generation_of(mine);
    const __u32 dev = device_of(place.files().path());
    put_trees(mine, generation, dev, {{"", kAllRights}, {"top/a", kReadOnly, 51}});
    for (__u32 ahead = 1; ahead < kAhead; ++ahead)
        put_trees(mine, generation + ahead, dev, {{"", kAllRights}, {"top/a/b", 0, 52}});
    place.expect_read(&mine, "top/a/b/c/file");
    place.expect_read(&mine, "top/a/b/c/d/file");
    mine.refuse(BH_CLASS_PATHS);
    ASSERT_EQ(generation_of(mine), generation + 1);
    place.expect_refused_by(mine, "top/a/b/c/d/file", 52);
    for (__u32 ahead = 0; ahead < kAhead; ++ahead)
        EXPECT_TRUE(loader::drop_tree(mine.label(), generation + ahead).has_value());
}

FENCE_TEST(KeepsApartWhatHoldsForTwoEnvironments, "bh_tree_open") {
    const Deep place;
    Ruled mine(place.files(), {{"", kAllRights}});
    Ruled other(place.files(), {{"", kAllRights}, {"top/a", 0, 61}}, {BH_CLASS_PATHS}, "other");
    for (int time = 0; time < kTimes; ++time) {
        place.expect_read(&mine, "top/a/b/c/file");
        place.expect_refused_by(other, "top/a/b/c/file", 61);
    }
}

// Names lie in their dentry or, if they are long, beside it.
FENCE_TEST(TellsNamesOfEveryLengthApart, "bh_tree_open") {
    constexpr int kLongest = 70;
    const Tmpfs place;
    place.make_directory("in");
    std::vector<TreeRule> rules = {{"", kAllRights}, {"in/abc", 0, 99}};
    for (int length = 1; length <= kLongest; ++length) {
        const std::string name(static_cast<std::size_t>(length), 'n');
        place.write("in/" + name);
        if (length % 2 != 0)
            rules.push_back({"in/" + name, 0, static_cast<__u32>(length)});
    }
    Ruled mine(place, rules);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             for (int length = 1; length <= kLongest; ++length) {
                                 const std::string name(static_cast<std::size_t>(length), 'n');
                                 const int expected = length % 2 != 0 ? EPERM : 0;
                                 if (read_file(place.at("in/" + name)) != expected)
                                     return length;
                             }
                             return 0;
                         }),
              0);
    // A short name in a dentry that had a longer one.
    place.write("in/abc-and-much-more");
    ASSERT_EQ(::rename(place.at("in/abc-and-much-more").c_str(), place.at("in/abc").c_str()), 0);
    expect_refused(mine, kOpen, [&] { return read_file(place.at("in/abc")); });
}

}  // namespace
}  // namespace bulkhead::tests
