// Budgets of an environment: what it may use of something in a period, what it used, and what
// happens when that is not enough.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/budgets.h"
#include "loader/result.h"
#include "runtime/json.h"

namespace bulkhead::loader {
class Environments;
}

namespace bulkhead::runtime {

class Cgroup;

// What became of a budget in the period that is.
enum class Standing {
    kOpen,
    kWarned,     // past its warning, which is all that happens
    kExceeded,   // likewise past its amount
    kRefuses,    // nothing begins and nothing is sent
    kThrottled,  // less CPU time
    kPaused,     // frozen
    kStopping,   // asked to end
    kWaits,      // the last three are an agent's to do, and none came yet
};

// Amounts in the unit that people see: processes, bytes, nanoseconds, byte-seconds.
struct Budget {
    bh_budget_kind kind{};
    std::uint64_t used = 0;  // in the period that is
    std::uint64_t amount = 0;
    std::optional<std::uint64_t> warn;  // used, from which on it is past its warning
    std::uint64_t period_ns = 0;
    std::uint64_t ends_unix_ns = 0;
    bh_budget_action on_warn = BH_ON_EVENT;
    bh_budget_action on_exceed = BH_ON_REFUSE;
    std::uint64_t exceeded = 0;  // in how many periods
    std::uint64_t refused = 0;   // acts and packets
    bool is_exceeded = false;    // in this period
    Standing standing = Standing::kOpen;

    [[nodiscard]] std::uint64_t left() const { return used < amount ? amount - used : 0; }
};

// Those of a row, as of CLOCK_BOOTTIME `now_ns`.
std::vector<Budget> budgets_in(const bh_budgets& row, std::uint64_t now_ns);

// ENOENT: no environment has this name. Empty: it has no budget.
Result<std::vector<Budget>> read_budgets(const std::string& name);
// Of all environments that have any.
struct NamedBudgets {
    std::string environment;
    std::vector<Budget> budgets;
};
Result<std::vector<NamedBudgets>> read_all_budgets();

Json to_json(const NamedBudgets& budgets);
// A line each, below a line of titles.
std::string to_text(const std::vector<NamedBudgets>& all);
// "10.00 GiB", "3600 s": what people see of an amount.
std::string amount_text(bh_budget_kind kind, std::uint64_t amount);
std::string period_text(std::uint64_t period_ns);
// "open", "paused", "waits for the agent".
const char* standing_name(Standing standing);

// The unit of the programs as the one of people, where there are more of the latter.
std::uint64_t shown_amount(unsigned kind, std::uint64_t counted);

// What somebody asks for; no terms: no budget any more.
struct BudgetWanted {
    bh_budget_kind kind{};
    std::optional<loader::BudgetTerms> terms;
};

// "egress=10G/1d,warn=80%,on-exceed=refuse", "cpu=1h/1d", "memory=1Gx2h/1d", "egress=unlimited".
// kUsage, naming what is wrong.
Result<BudgetWanted> parse_budget(const std::string& text);
// Likewise several; a kind has one budget.
Result<std::vector<BudgetWanted>> parse_budgets(const std::vector<std::string>& texts);
// "event", "refuse", "throttle", "pause", "stop".
const char* action_name(unsigned action);

// Live, or at a start (`running`). What the last environment of this name used of the period
// counts. kUnsupported: this kernel or this cgroup cannot count it. ESTALE: it is gone.
Status set_budget(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                  loader::Running running, const BudgetWanted& wanted);
// The same for an environment that is there, with what follows for it at once. kUsage for CPU time
// of an adopted one, and for what would be done to its cgroup.
Status set_budgets_of(const std::string& name, const std::vector<BudgetWanted>& wanted);

}  // namespace bulkhead::runtime
