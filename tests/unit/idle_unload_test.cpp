// When nobody has lived for long enough, given what was seen and when.
#include "runtime/idle_unload.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "bpf/wire_budgets.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kAfterNs = 10 * kSecond;
constexpr Occupancy kNothingLoaded{};
constexpr Occupancy kEmpty{.loaded_ns = 5, .next_serial = 1, .slots = 0};

struct Sight {
    std::uint64_t second;
    Occupancy seen;
};

Idle after(std::initializer_list<Sight> sights) {
    Idle idle;
    for (const Sight& sight : sights)
        idle = look_again(idle, sight.seen, sight.second * kSecond);
    return idle;
}

bool is_due_at(std::uint64_t second, std::initializer_list<Sight> sights) {
    return is_due(after(sights), kAfterNs, second * kSecond);
}

TEST(IdleUnload, IsDueWhenNobodyWasSeenForSoLong) {
    EXPECT_FALSE(is_due_at(109, {{100, kEmpty}, {109, kEmpty}}));
    EXPECT_TRUE(is_due_at(110, {{100, kEmpty}, {109, kEmpty}, {110, kEmpty}}));
}

TEST(IdleUnload, BeginsWhenItIsFirstSeenAndNotWithTheBoot) {
    EXPECT_FALSE(is_due_at(5000, {{5000, kEmpty}}));
}

TEST(IdleUnload, IsNeverDueWithNothingLoaded) {
    EXPECT_FALSE(is_due_at(500, {{100, kNothingLoaded}, {500, kNothingLoaded}}));
    EXPECT_FALSE(is_due_at(500, {}));
}

TEST(IdleUnload, IsNotDueWhileAnEnvironmentIsThere) {
    const Occupancy one{.loaded_ns = 5, .next_serial = 2, .slots = 1};
    EXPECT_FALSE(is_due_at(500, {{100, one}, {500, one}}));
    // Nor before as much time has passed since it was.
    const Occupancy gone{.loaded_ns = 5, .next_serial = 2, .slots = 0};
    EXPECT_FALSE(is_due_at(509, {{100, one}, {500, gone}, {509, gone}}));
    EXPECT_TRUE(is_due_at(510, {{100, one}, {500, gone}, {510, gone}}));
}

TEST(IdleUnload, BeginsAnewForOneThatCameAndWentUnseen) {
    const Occupancy later{.loaded_ns = 5, .next_serial = 2, .slots = 0};
    EXPECT_FALSE(is_due_at(110, {{100, kEmpty}, {110, later}}));
    EXPECT_TRUE(is_due_at(120, {{100, kEmpty}, {110, later}, {120, later}}));
}

TEST(IdleUnload, BeginsAnewWhenTheProgramsWereLoadedAnew) {
    const Occupancy again{.loaded_ns = 6, .next_serial = 1, .slots = 0};
    EXPECT_FALSE(is_due_at(110, {{100, kEmpty}, {110, again}}));
    EXPECT_FALSE(is_due_at(111, {{100, kEmpty}, {105, kNothingLoaded}, {111, again}}));
}

TEST(IdleUnload, NeverComesWhenItIsToldSo) {
    EXPECT_FALSE(is_due(after({{1, kEmpty}, {1'000'000, kEmpty}}), BH_NEVER, 1'000'000 * kSecond));
}

TEST(IdleUnload, TakesADurationOrNever) {
    EXPECT_EQ(parse_idle_after("10m").value_or(0), 600 * kSecond);
    EXPECT_EQ(parse_idle_after("1s").value_or(0), kSecond);
    EXPECT_EQ(parse_idle_after("never").value_or(0), BH_NEVER);
    for (const char* wrong : {"", "0", "0s", "-1s", "10 m", "10x", "always", "1.5h"}) {
        const auto parsed = parse_idle_after(wrong);
        ASSERT_FALSE(parsed.has_value()) << wrong;
        EXPECT_EQ(parsed.error().fault(), Fault::kUsage);
        EXPECT_NE(parsed.error().message().find("never"), std::string::npos);
    }
}

}  // namespace
}  // namespace bulkhead::runtime
