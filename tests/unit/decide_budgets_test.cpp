// The arithmetic of periods, which programs and readers share.
#include "bpf/decide_budgets.h"

#include <gtest/gtest.h>

namespace {

constexpr __u64 kPeriodNs = 1000;

TEST(DecideBudgets, APeriodEndsAtItsEdge) {
    EXPECT_EQ(bh_period_at(500, 500, kPeriodNs), 0U);
    EXPECT_EQ(bh_period_at(1499, 500, kPeriodNs), 0U);
    EXPECT_EQ(bh_period_at(1500, 500, kPeriodNs), 1U);
    EXPECT_EQ(bh_period_end(0, 500, kPeriodNs), 1500U);
    EXPECT_EQ(bh_period_at(1500, 500, 0), 0U) << "a row that nobody has filled";
}

TEST(DecideBudgets, AnOriginBeforeTheBootIsBelowZero) {
    const __u64 origin = __u64{0} - 700;
    EXPECT_EQ(bh_period_at(299, origin, kPeriodNs), 0U);
    EXPECT_EQ(bh_period_at(300, origin, kPeriodNs), 1U);
    EXPECT_EQ(bh_period_end(0, origin, kPeriodNs), 300U);
}

TEST(DecideBudgets, WhatIsUsedBelongsToOnePeriod) {
    const __u64 word = bh_spent(7, 42);
    EXPECT_EQ(bh_used_in(word, 7), 42U);
    EXPECT_EQ(bh_used_in(word, 6), 0U);
    EXPECT_EQ(bh_used_in(word, 8), 0U);
    EXPECT_EQ(bh_used_in(bh_spent(4096 + 7, BH_SPENT_MOST), 4096 + 7), BH_SPENT_MOST);
    EXPECT_EQ(bh_used_in(0, 0), 0U);
}

TEST(DecideBudgets, UsedStopsAtTheMost) {
    EXPECT_EQ(bh_used_after(1, 2), 3U);
    EXPECT_EQ(bh_used_after(BH_SPENT_MOST, 1), BH_SPENT_MOST);
    EXPECT_EQ(bh_used_after(5, ~0ULL), BH_SPENT_MOST);
}

TEST(DecideBudgets, ABudgetIsClosedInThePeriodThatItWasExceededIn) {
    bh_budget budget{};
    budget.on_exceed = BH_ON_REFUSE;
    EXPECT_FALSE(bh_may_be_closed(&budget));
    EXPECT_FALSE(bh_is_closed(&budget, 0));
    budget.exceeded_in = 4;
    EXPECT_TRUE(bh_may_be_closed(&budget));
    EXPECT_TRUE(bh_is_closed(&budget, 3));
    EXPECT_FALSE(bh_is_closed(&budget, 4));
    budget.on_exceed = BH_ON_EVENT;
    EXPECT_FALSE(bh_is_closed(&budget, 3));
    budget.on_warn = BH_ON_REFUSE;
    budget.warned_in = 4;
    EXPECT_TRUE(bh_is_closed(&budget, 3));
}

TEST(DecideBudgets, WhatIsPausedIsClosedForThePeriodAndWhatIsStoppedForGood) {
    bh_budget budget{};
    budget.exceeded_in = 4;
    budget.on_exceed = BH_ON_PAUSE;
    EXPECT_TRUE(bh_may_be_closed(&budget));
    EXPECT_TRUE(bh_is_closed(&budget, 3));
    EXPECT_FALSE(bh_is_closed(&budget, 4));
    budget.on_exceed = BH_ON_STOP;
    EXPECT_TRUE(bh_is_closed(&budget, 3));
    EXPECT_TRUE(bh_is_closed(&budget, 400));
    budget.exceeded_in = 0;
    EXPECT_FALSE(bh_may_be_closed(&budget));
    EXPECT_FALSE(bh_is_closed(&budget, 400)) << "was never used up";
    budget.on_exceed = BH_ON_THROTTLE;
    budget.exceeded_in = 4;
    EXPECT_FALSE(bh_may_be_closed(&budget));
    EXPECT_FALSE(bh_is_closed(&budget, 3));
}

TEST(DecideBudgets, AWarningPausesForThePeriodAndStopsForGood) {
    bh_budget budget{};
    budget.on_exceed = BH_ON_EVENT;
    budget.on_warn = BH_ON_PAUSE;
    EXPECT_FALSE(bh_may_be_closed(&budget)) << "it was never warned";
    budget.warned_in = 4;
    EXPECT_TRUE(bh_may_be_closed(&budget));
    EXPECT_TRUE(bh_is_closed(&budget, 3));
    EXPECT_FALSE(bh_is_closed(&budget, 4));
    budget.on_warn = BH_ON_STOP;
    EXPECT_TRUE(bh_is_closed(&budget, 3));
    EXPECT_TRUE(bh_is_closed(&budget, 400));
    budget.warned_in = 0;
    EXPECT_FALSE(bh_is_closed(&budget, 400));
}

}  // namespace
