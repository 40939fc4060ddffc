// What is due for an environment, given its row: over crossings, periods, kills half-way and two
// agents.
#include "runtime/governor.h"

#include <gtest/gtest.h>

#include <vector>

namespace bulkhead::runtime {
namespace {

using Dues = std::vector<Due>;

constexpr std::uint64_t kPeriodNs = 1000;
constexpr std::uint64_t kFirst = 500;                  // in the first period
constexpr std::uint64_t kSecond = kPeriodNs + kFirst;  // in the one after it

constexpr std::uint32_t bit(bh_budget_action action) {
    return 1U << action;
}

// One budget, of CPU time, that is used up in the first period.
bh_budgets exceeded(bh_budget_action on_exceed) {
    bh_budgets row{};
    row.asked = 1U << BH_BUDGET_CPU;
    bh_budget& budget = row.budgets[BH_BUDGET_CPU];
    budget.period_ns = kPeriodNs;
    budget.on_exceed = on_exceed;
    budget.exceeded_in = 1;
    return row;
}

bh_budgets done(bh_budgets row, bh_budget_action action) {
    row.governed.begun |= bit(action);
    row.governed.done |= bit(action);
    return row;
}

TEST(Governor, HasNothingToDoForWhatTheKernelDoesAlone) {
    for (const bh_budget_action action : {BH_ON_EVENT, BH_ON_REFUSE})
        EXPECT_EQ(due_for(exceeded(action), kFirst), Dues{});
    EXPECT_EQ(due_for(bh_budgets{}, kFirst), Dues{});
}

TEST(Governor, HasNothingToDoBeforeTheAmount) {
    for (const bh_budget_action action : {BH_ON_THROTTLE, BH_ON_PAUSE, BH_ON_STOP}) {
        bh_budgets row = exceeded(action);
        row.budgets[BH_BUDGET_CPU].exceeded_in = 0;
        EXPECT_EQ(due_for(row, kFirst), Dues{});
    }
}

TEST(Governor, ActsOnceInAPeriodAndUndoesItAfter) {
    struct Case {
        bh_budget_action action;
        Due act, undo;
    };
    for (const Case& one : {Case{BH_ON_THROTTLE, Due::kThrottle, Due::kUnthrottle},
                            Case{BH_ON_PAUSE, Due::kPause, Due::kResume}}) {
        const bh_budgets row = exceeded(one.action);
        EXPECT_EQ(due_for(row, kFirst), Dues{one.act});
        const bh_budgets acted = done(row, one.action);
        EXPECT_EQ(due_for(acted, kFirst), Dues{}) << "the second agent";
        EXPECT_EQ(due_for(acted, kSecond), Dues{one.undo});
        bh_budgets cleared = acted;
        cleared.asked = 0;
        EXPECT_EQ(due_for(cleared, kFirst), Dues{one.undo}) << "the budget was taken away";
        EXPECT_EQ(due_for(row, kSecond), Dues{}) << "nobody came in time";
    }
}

TEST(Governor, GoesOnWhereOneWasKilledHalfWay) {
    bh_budgets row = exceeded(BH_ON_PAUSE);
    row.governed.begun = bit(BH_ON_PAUSE);
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kPause}) << "perhaps frozen, and not known to be";
    EXPECT_EQ(due_for(row, kSecond), Dues{Due::kResume});
}

TEST(Governor, StopsLateRatherThanNever) {
    const bh_budgets row = exceeded(BH_ON_STOP);
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kAskToStop});
    EXPECT_EQ(due_for(row, 40 * kSecond), Dues{Due::kAskToStop});
}

TEST(Governor, KillsWhatDoesNotEnd) {
    bh_budgets row = done(exceeded(BH_ON_STOP), BH_ON_STOP);
    row.governed.asked_to_stop_ns = kFirst;
    EXPECT_EQ(due_for(row, kFirst + kStopGraceNs - 1), Dues{});
    EXPECT_EQ(due_for(row, kFirst + kStopGraceNs), Dues{Due::kKill});
    row.governed.asked_to_stop_ns = BH_NEVER;
    EXPECT_EQ(due_for(row, kFirst + kStopGraceNs), Dues{}) << "that was done";
}

TEST(Governor, LetsLiveWhatWasOpenedAgain) {
    bh_budgets row = done(exceeded(BH_ON_STOP), BH_ON_STOP);
    row.budgets[BH_BUDGET_CPU].exceeded_in = 0;
    EXPECT_EQ(due_for(row, kFirst + kStopGraceNs), Dues{Due::kForgetStop});
}

TEST(Governor, OfTwoBudgetsDoesBoth) {
    bh_budgets row = exceeded(BH_ON_THROTTLE);
    row.asked |= 1U << BH_BUDGET_EGRESS;
    row.budgets[BH_BUDGET_EGRESS] = row.budgets[BH_BUDGET_CPU];
    row.budgets[BH_BUDGET_EGRESS].on_exceed = BH_ON_PAUSE;
    EXPECT_EQ(due_for(row, kFirst), (Dues{Due::kThrottle, Due::kPause}));
}

// What is frozen answers no SIGTERM.
TEST(Governor, FreesWhatIsToEnd) {
    bh_budgets row = done(done(exceeded(BH_ON_PAUSE), BH_ON_PAUSE), BH_ON_THROTTLE);
    row.asked |= 1U << BH_BUDGET_EGRESS;
    row.budgets[BH_BUDGET_EGRESS] = row.budgets[BH_BUDGET_CPU];
    row.budgets[BH_BUDGET_EGRESS].on_exceed = BH_ON_STOP;
    EXPECT_EQ(due_for(row, kFirst), (Dues{Due::kResume, Due::kUnthrottle, Due::kAskToStop}));
}

TEST(Governor, AWarningThrottlesAndTheAmountPauses) {
    bh_budgets row = exceeded(BH_ON_PAUSE);
    bh_budget& budget = row.budgets[BH_BUDGET_CPU];
    budget.on_warn = BH_ON_THROTTLE;
    budget.warned_in = 1;
    budget.exceeded_in = 0;
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kThrottle});
    budget.exceeded_in = 1;
    EXPECT_EQ(due_for(done(row, BH_ON_THROTTLE), kFirst), Dues{Due::kPause});
    EXPECT_EQ(due_for(done(done(row, BH_ON_THROTTLE), BH_ON_PAUSE), kSecond),
              (Dues{Due::kResume, Due::kUnthrottle}));
}

TEST(Governor, AWarningPausesForThePeriodAndStopsForGood) {
    bh_budgets row = exceeded(BH_ON_EVENT);
    bh_budget& budget = row.budgets[BH_BUDGET_CPU];
    budget.exceeded_in = 0;
    budget.on_warn = BH_ON_PAUSE;
    EXPECT_EQ(due_for(row, kFirst), Dues{}) << "it was not warned";
    budget.warned_in = 1;
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kPause});
    EXPECT_EQ(due_for(done(row, BH_ON_PAUSE), kSecond), Dues{Due::kResume});
    budget.on_warn = BH_ON_STOP;
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kAskToStop});
    EXPECT_EQ(due_for(row, 40 * kSecond), Dues{Due::kAskToStop});
    budget.on_exceed = BH_ON_PAUSE;
    budget.exceeded_in = 1;
    EXPECT_EQ(due_for(row, kFirst), Dues{Due::kAskToStop}) << "who is to end is not frozen";
}

TEST(Governor, ThrottlesToATenth) {
    EXPECT_EQ(to_cpu_max(throttled(*parse_cpu_max("max 100000\n"))), "10000 100000")
        << "of one CPU";
    EXPECT_EQ(to_cpu_max(throttled(*parse_cpu_max("200000 100000\n"))), "20000 100000");
    EXPECT_EQ(to_cpu_max(throttled(*parse_cpu_max("5000 100000\n"))), "1000 100000")
        << "the kernel takes no less";
    EXPECT_EQ(to_cpu_max(*parse_cpu_max("max 50000\n")), "max 50000");
}

TEST(Governor, ACpuMaxThatIsNoneIsAnError) {
    for (const char* text : {"", "max", "max ", "100000", "x 100000", "100000 x", "1 0"})
        EXPECT_FALSE(parse_cpu_max(text).has_value()) << text;
}

}  // namespace
}  // namespace bulkhead::runtime
