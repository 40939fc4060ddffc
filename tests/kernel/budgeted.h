// An environment that has budgets, and what became of them.
#pragma once

#include <optional>

#include "loader/budgets.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

inline constexpr __u64 kHourNs = 3600ULL * 1'000'000'000;

class Budgeted : public BareEnvironment {
public:
    explicit Budgeted(const std::string& name = "budgeted");

    void grant_budget(bh_budget_kind kind, __u64 amount, bh_budget_action on_exceed = BH_ON_REFUSE);
    void set(bh_budget_kind kind, const loader::BudgetTerms& terms,
             const std::optional<loader::CarriedOver>& carried = std::nullopt);
    void clear(bh_budget_kind kind);

    [[nodiscard]] bh_budget budget(bh_budget_kind kind) const;
    // In the period that is.
    [[nodiscard]] __u64 used(bh_budget_kind kind) const;
    // As if a period had passed: its edges are an hour earlier than they were.
    void pass_a_period(bh_budget_kind kind) const;
    // Waits until the kernel's clock has found it used up; fails the test when it does not.
    void expect_exceeded(bh_budget_kind kind) const;
    // The newest row that tells of a budget past its amount; fails the test when there is none.
    bh_refusal told_exceeded();

private:
    loader::Environments environments_;
};

// How many of `tries` processes could be started one after the other; each ends at once. The errno
// of the last that could not is left in `error`.
int started(int tries, int& error);

// 0 when exactly `wanted` could be started and then `error` is what is said, else 200.
int starts(int wanted, int error);

}  // namespace bulkhead::tests
