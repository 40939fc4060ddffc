// What user space did to environments for their budgets, as their rows keep it: shared by agents
// and commands, and by whoever comes after one that was killed.
#pragma once

#include <optional>

#include "bpf/wire_budgets.h"
#include "loader/result.h"
#include "loader/slot_row.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

class Environments;

// True for an action that user space carries out.
bool needs_an_agent(bh_budget_action action);

// False: no environment has anything that an agent is to do for it, or nothing is loaded. Reads one
// word.
Result<bool> is_anything_governed();

// The row of an environment that has or had budgets or plans; none: it never had any.
Result<std::optional<bh_budgets>> read_governed(bh_label label);

// Empties a row that was another environment's. Under lock_pins().
void take_over(bh_budgets& row, __u32 serial);

// The same to write `governed`. While it lives nobody else acts and no budget is changed.
class GovernedRow {
public:
    // ESTALE: the row is another environment's.
    static Result<GovernedRow> open(bh_label label);
    // Likewise, and the row is the environment's from then on: agents look at it. ESTALE: it is
    // gone.
    static Result<GovernedRow> claim(const Environments& environments, bh_label label);

    [[nodiscard]] bh_budgets& operator*() const { return *row_; }
    [[nodiscard]] bh_budgets* operator->() const { return &*row_; }

private:
    GovernedRow(UniqueFd lock, SlotRow<bh_budgets> row)
        : lock_(std::move(lock)), row_(std::move(row)) {}

    UniqueFd lock_;
    SlotRow<bh_budgets> row_;
};

}  // namespace bulkhead::loader
