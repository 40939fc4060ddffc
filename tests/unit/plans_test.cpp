// The rules that move limits, over sequences; how plans are written; what can be guaranteed.
#include "runtime/plans.h"

#include <gtest/gtest.h>

#include <string>

#include "runtime/cgroup.h"
#include "runtime/guarantees.h"
#include "runtime/plans_facts.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr Spare kPlenty{64 * kGiB, false};

bh_plan plan_of(std::uint64_t least, std::uint64_t most) {
    bh_plan plan{};
    plan.least = least;
    plan.most = most;
    return plan;
}

std::string complaint(const std::string& text) {
    const auto parsed = parse_plans({text});
    if (parsed)
        return "";
    EXPECT_EQ(parsed.error().fault(), Fault::kUsage) << text;
    EXPECT_FALSE(parsed.error().remedy().empty()) << text;
    return parsed.error().message();
}

TEST(Plans, AreTwoBounds) {
    const auto plans = parse_plans({"memory=512M..2G", "cpus=0.5..2"});
    ASSERT_TRUE(plans.has_value()) << plans.error().message();
    ASSERT_EQ(plans->size(), 2U);
    EXPECT_EQ((*plans)[0].resource, BH_PLAN_MEMORY);
    EXPECT_EQ((*plans)[0].bounds->least, 512 * kMiB);
    EXPECT_EQ((*plans)[0].bounds->most, 2 * kGiB);
    EXPECT_EQ((*plans)[1].resource, BH_PLAN_CPUS);
    EXPECT_EQ((*plans)[1].bounds->least, 500U);
    EXPECT_EQ((*plans)[1].bounds->most, 2000U);
    const auto none = parse_plans({"memory=none"});
    ASSERT_TRUE(none.has_value());
    EXPECT_FALSE((*none)[0].bounds.has_value());
}

TEST(Plans, MistakesAreNamed) {
    const auto names = [](const char* text, const char* what) {
        EXPECT_NE(complaint(text).find(what), std::string::npos) << text << ": " << complaint(text);
    };
    names("memory", "gives no bounds");
    names("memory=1G", "no .. between");
    names("memory=..1G", "a bound that is none");
    names("memory=1G..", "a bound that is none");
    names("memory=2G..1G", "begins above its end");
    names("memory=1K..1G", "begins below 1M");
    names("cpus=0.001..1", "begins below 0.01");
    names("memroy=1G..2G", "did you mean \"memory\"");
    const auto twice = parse_plans({"cpus=1..2", "cpus=1..3"});
    ASSERT_FALSE(twice.has_value());
    EXPECT_NE(twice.error().message().find("cpus=1..3 is a second one"), std::string::npos);
}

TEST(Plans, BeginAtTheLeast) {
    const auto plans = parse_plans({"memory=512M..2G", "cpus=0.5..2"});
    const Limits limits = with_plans({}, *plans);
    EXPECT_EQ(limits.memory_high_bytes, 512 * kMiB);
    EXPECT_EQ(limits.memory_bytes, 2 * kGiB) << "above it the kernel kills";
    EXPECT_EQ(limits.cpu_milli, 500U);
    EXPECT_FALSE(limits.pids.has_value());
}

TEST(Plans, GrowWithWhatIsUsedUpToTheMost) {
    bh_plan plan = plan_of(512 * kMiB, 900 * kMiB);
    Load load{512 * kMiB, 400 * kMiB, false};
    EXPECT_FALSE(next_move(plan, load, kPlenty, 1).has_value()) << "there is room";
    load.used = 470 * kMiB;
    auto move = next_move(plan, load, kPlenty, 2);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->reason, MoveReason::kUse);
    EXPECT_EQ(move->to, 640 * kMiB) << "by a quarter";
    load = {move->to, 640 * kMiB, false};
    move = next_move(plan, load, kPlenty, 3);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->to, 800 * kMiB);
    load = {move->to, 800 * kMiB, false};
    move = next_move(plan, load, kPlenty, 4);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->to, 900 * kMiB);
    load = {move->to, 900 * kMiB, true};
    EXPECT_FALSE(next_move(plan, load, kPlenty, 5).has_value());
}

TEST(Plans, GrowUnderPressure) {
    bh_plan plan = plan_of(500, 2000);
    const auto move = next_move(plan, {500, 100, true}, kPlenty, 1);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->reason, MoveReason::kPressure);
    EXPECT_EQ(move->to, 625U);
}

TEST(Plans, GrowNoFurtherThanTheMachineCan) {
    bh_plan plan = plan_of(512 * kMiB, 2 * kGiB);
    const Load load{512 * kMiB, 512 * kMiB, false};
    const auto move = next_move(plan, load, {10 * kMiB, false}, 1);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->to, 522 * kMiB);
    EXPECT_FALSE(next_move(plan, load, {0, false}, 2).has_value());
}

TEST(Plans, ShrinkAfterThirtyCalmSeconds) {
    bh_plan plan = plan_of(100 * kMiB, 2 * kGiB);
    const Load load{1000 * kMiB, 200 * kMiB, false};
    EXPECT_FALSE(next_move(plan, load, kPlenty, kSecondNs).has_value());
    EXPECT_FALSE(next_move(plan, load, kPlenty, 30 * kSecondNs).has_value());
    const auto move = next_move(plan, load, kPlenty, 31 * kSecondNs);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->reason, MoveReason::kCalm);
    EXPECT_EQ(move->to, 900 * kMiB) << "by a tenth";
    EXPECT_FALSE(next_move(plan, {move->to, 200 * kMiB, false}, kPlenty, 40 * kSecondNs))
        << "thirty seconds each";
    EXPECT_TRUE(next_move(plan, {move->to, 200 * kMiB, false}, kPlenty, 61 * kSecondNs));
}

TEST(Plans, StayWhereCalmWasInterrupted) {
    bh_plan plan = plan_of(100 * kMiB, 2 * kGiB);
    const Load calm{1000 * kMiB, 200 * kMiB, false}, busy{1000 * kMiB, 700 * kMiB, false};
    EXPECT_FALSE(next_move(plan, calm, kPlenty, kSecondNs).has_value());
    EXPECT_FALSE(next_move(plan, busy, kPlenty, 20 * kSecondNs).has_value());
    EXPECT_FALSE(next_move(plan, calm, kPlenty, 35 * kSecondNs).has_value());
    EXPECT_TRUE(next_move(plan, calm, kPlenty, 65 * kSecondNs).has_value());
}

TEST(Plans, ShrinkNeverBelowTheLeastNorAQuarterAboveUse) {
    bh_plan plan = plan_of(950 * kMiB, 2 * kGiB);
    plan.calm_since_ns = 1;
    auto move = next_move(plan, {1000 * kMiB, 10 * kMiB, false}, kPlenty, 60 * kSecondNs);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->to, 950 * kMiB);
    EXPECT_FALSE(next_move(plan, {950 * kMiB, 0, false}, kPlenty, 600 * kSecondNs).has_value());
    plan = plan_of(kMiB, 2 * kGiB);
    move = next_move(plan, {1000 * kMiB, 400 * kMiB, false}, {0, true}, 1);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->to, 500 * kMiB);
}

TEST(Plans, GiveBackAtOnceWhatTheMachineLacks) {
    bh_plan plan = plan_of(100 * kMiB, 2 * kGiB);
    const Spare none = spare_memory(10 * kGiB, kGiB - 1, 0);
    EXPECT_TRUE(none.is_short);
    const auto move = next_move(plan, {1000 * kMiB, 40 * kMiB, true}, none, 1);
    ASSERT_TRUE(move.has_value());
    EXPECT_EQ(move->reason, MoveReason::kHost);
    EXPECT_EQ(move->to, 100 * kMiB);
    EXPECT_FALSE(next_move(plan, {100 * kMiB, 100 * kMiB, true}, none, 2)) << "not raised either";
}

TEST(Plans, WhatWasPromisedIsNotPromisedTwice) {
    EXPECT_EQ(spare_memory(10 * kGiB, 5 * kGiB, kGiB).amount, 3 * kGiB);
    EXPECT_EQ(spare_memory(10 * kGiB, 5 * kGiB, 7 * kGiB).amount, 0U);
    EXPECT_FALSE(spare_memory(10 * kGiB, 5 * kGiB, 7 * kGiB).is_short);
}

TEST(Plans, BoundsHoldBeforeAllElse) {
    bh_plan plan = plan_of(500, 2000);
    EXPECT_EQ(next_move(plan, {100, 0, false}, {0, true}, 1)->to, 500U);
    EXPECT_EQ(next_move(plan, {4000, 100, false}, kPlenty, 1)->to, 2000U);
    EXPECT_EQ(next_move(plan, {4000, 100, false}, kPlenty, 1)->reason, MoveReason::kBounds);
}

TEST(Plans, CpusAreSpareAsFarAsTheyWereIdle) {
    const auto before = cpu_times_of("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3\n");
    const auto now = cpu_times_of("cpu  200 0 150 1300 150 0 0 0 7 0\n");
    ASSERT_TRUE(before && now);
    EXPECT_EQ(before->all, 1000U);
    EXPECT_EQ(before->idle, 850U);
    EXPECT_EQ(spare_cpus(*before, *now, 4).amount, 4 * 750U - 400U);
    EXPECT_EQ(spare_cpus(*before, {860, 2000}, 4).amount, 0U) << "the tenth is the machine's own";
    EXPECT_EQ(spare_cpus(*before, *before, 4).amount, 0U);
    EXPECT_FALSE(cpu_times_of("").has_value());
}

TEST(Plans, PressureIsTheKernelsMean) {
    EXPECT_EQ(some_avg10("some avg10=12.50 avg60=1.00 avg300=0.00 total=9\n"), 12.5);
    EXPECT_EQ(some_avg10(""), 0) << "a kernel without PSI";
}

TEST(Guarantees, AreWhatTheMachineCanKeep) {
    Limits limits;
    EXPECT_TRUE(check_guarantees(limits, {0, 0}, 10 * kGiB).has_value());
    limits.memory_min_bytes = 4 * kGiB;
    EXPECT_TRUE(check_guarantees(limits, {5 * kGiB, 0}, 10 * kGiB).has_value());
    const auto refused = check_guarantees(limits, {5 * kGiB + 1, 0}, 10 * kGiB);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().what().find("--memory-min 4294967296"), std::string::npos);
    EXPECT_FALSE(refused.error().remedy().empty());
    EXPECT_FALSE(check_guarantees(limits, {~0ULL, 0}, 10 * kGiB).has_value()) << "no wrapping";
    limits = {};
    limits.memory_low_bytes = kGiB;
    EXPECT_TRUE(check_guarantees(limits, {9 * kGiB, 8 * kGiB}, 10 * kGiB).has_value());
    EXPECT_FALSE(check_guarantees(limits, {0, 9 * kGiB}, 10 * kGiB).has_value());
}

}  // namespace
}  // namespace bulkhead::runtime
