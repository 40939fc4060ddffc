// What was used of budgets, kept over the end of an environment for the next one of its name, and
// over a reboot: /var/lib/bulkhead/.budgets/NAME.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "loader/budgets.h"
#include "loader/result.h"

namespace bulkhead::loader {
class Environments;
}

namespace bulkhead::runtime {

// Before the record is withdrawn; for an environment without budgets nothing. The file goes where
// it was until now only when the new one is whole.
Status keep_budgets(const loader::Environments& environments, bh_label label);

// What was kept of a budget of the same kind and period; none: nothing was.
Result<std::optional<loader::CarriedOver>> carried_over(const std::string& name,
                                                        bh_budget_kind kind,
                                                        std::uint64_t period_ns);

// One budget as the file has it: by the calendar, as boots come and go.
struct KeptBudget {
    std::uint64_t period_ns = 0;
    std::uint64_t period_began_unix_ns = 0;
    loader::CarriedOver used;
};
using KeptBudgets = std::map<std::string, KeptBudget>;  // by the kind's name

// As of CLOCK_BOOTTIME `now_ns`, which is `now_unix_ns` by the calendar.
KeptBudgets kept_of(const bh_budgets& row, std::uint64_t now_ns, std::uint64_t now_unix_ns);
// When the calendar was set back to before the period began, the period begins now.
loader::CarriedOver carried_from(const KeptBudget& kept, std::uint64_t now_ns,
                                 std::uint64_t now_unix_ns);

std::string to_json(const KeptBudgets& kept);
// The error names the field that is wrong.
Result<KeptBudgets> kept_from_json(const std::string& text);

}  // namespace bulkhead::runtime
