// Which rights an act needs, and how names are told apart.
#include "bpf/decide_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <utility>

namespace bulkhead {
namespace {

TEST(Tree, OpeningNeedsTheRightsOfItsMode) {
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_READ, 0), BH_RIGHT_READ);
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_WRITE, 0), BH_RIGHT_WRITE);
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_READ | BH_FMODE_WRITE, 0), BH_RIGHT_READ | BH_RIGHT_WRITE);
    EXPECT_EQ(bh_rights_to_open(0, 0), BH_RIGHT_READ) << "neither: for ioctl only";
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_READ, BH_FMODE_EXEC), BH_RIGHT_EXECUTE);
}

TEST(Tree, AppendingIsWritingAtTheEndAndNothingElse) {
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_WRITE, O_APPEND), BH_RIGHT_APPEND);
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_WRITE, O_APPEND | O_TRUNC), BH_RIGHT_WRITE);
    EXPECT_EQ(bh_rights_to_open(BH_FMODE_READ | BH_FMODE_WRITE, O_APPEND),
              BH_RIGHT_READ | BH_RIGHT_WRITE);
}

TEST(Tree, UsingNeedsTheRightOfTheUse) {
    EXPECT_EQ(bh_rights_to_use(0, BH_USE_READ), BH_RIGHT_READ);
    EXPECT_EQ(bh_rights_to_use(0, BH_USE_WRITE), BH_RIGHT_WRITE);
    EXPECT_EQ(bh_rights_to_use(O_APPEND, BH_USE_WRITE), BH_RIGHT_APPEND);
    EXPECT_EQ(bh_rights_to_use(O_APPEND, BH_USE_READ), BH_RIGHT_READ);
    EXPECT_EQ(bh_rights_to_use(BH_FMODE_EXEC, BH_USE_READ), BH_RIGHT_EXECUTE)
        << "the kernel reads what it executes";
    EXPECT_EQ(bh_rights_to_use(0, 0), 0U);
}

TEST(Tree, MappingForOthersNeedsWhatTheFileIsOpenFor) {
    constexpr __u32 kBoth = BH_FMODE_READ | BH_FMODE_WRITE;
    EXPECT_EQ(bh_rights_to_map(kBoth, 0, 0, 0), BH_RIGHT_READ);
    EXPECT_EQ(bh_rights_to_map(kBoth, 0, 0, 1), BH_RIGHT_READ | BH_RIGHT_WRITE);
    EXPECT_EQ(bh_rights_to_map(BH_FMODE_READ, 0, 0, 1), BH_RIGHT_READ);
    EXPECT_EQ(bh_rights_to_map(BH_FMODE_READ, 0, 1, 0), BH_RIGHT_EXECUTE);
    EXPECT_EQ(bh_rights_to_map(BH_FMODE_READ, BH_FMODE_EXEC, 0, 0), BH_RIGHT_EXECUTE);
}

TEST(Tree, WithoutAListOfProgramsReadingDecidesAboutExecuting) {
    constexpr __u64 kPaths = 1ULL << BH_CLASS_PATHS, kList = 1ULL << BH_CLASS_EXECUTION;
    EXPECT_EQ(bh_class_of_rights(kPaths, BH_RIGHT_EXECUTE), BH_CLASS_PATHS);
    EXPECT_EQ(bh_class_of_rights(kPaths | kList, BH_RIGHT_EXECUTE), BH_CLASS_EXECUTION);
    EXPECT_EQ(bh_class_of_rights(kPaths | kList, BH_RIGHT_READ), BH_CLASS_PATHS);
    EXPECT_EQ(bh_class_of_rights(kList, BH_RIGHT_READ), BH_ALLOWED);
}

std::pair<__u64, __u64> hash_of(const std::string& name, __u32 seed) {
    std::array<__u32, BH_NAME_KEY_WORDS> key{};
    for (__u32& word : key)
        word = seed = seed * 1664525 + 1013904223;
    std::array<__u32, BH_NAME_WORDS> words{};
    std::memcpy(words.data(), name.data(), name.size());
    std::array<__u64, 2> hash{};
    bh_hash_name(words.data(), static_cast<__u32>(name.size()), key.data(), hash.data());
    return {hash[0], hash[1]};
}

TEST(Tree, NamesOfOneLengthHaveDifferentHashes) {
    std::set<std::pair<__u64, __u64>> seen;
    for (int number = 100'000; number < 120'000; ++number)
        EXPECT_TRUE(seen.insert(hash_of("file" + std::to_string(number), 7)).second) << number;
    std::string longest(255, 'x');
    for (std::size_t at = 0; at < longest.size(); ++at) {
        std::string other = longest;
        other[at] = 'y';
        EXPECT_TRUE(seen.insert(hash_of(other, 7)).second) << at;
    }
}

TEST(Tree, AnotherKeyGivesAnotherHash) {
    EXPECT_NE(hash_of("secret", 7), hash_of("secret", 8));
    EXPECT_EQ(hash_of("secret", 7), hash_of("secret", 7));
}

}  // namespace
}  // namespace bulkhead
