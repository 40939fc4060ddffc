// Budgets of environments: amounts that they may use in a period. The rows that the programs spend
// from, and the programs themselves, which are on their hooks only while some environment has a
// budget.
#pragma once

#include <array>
#include <iosfwd>
#include <optional>
#include <string_view>

#include "bpf/wire_budgets.h"
#include "loader/result.h"

namespace bulkhead::loader {

class Environments;

// In the units of the wire.
struct BudgetTerms {
    __u64 amount = 0;
    __u64 warn = BH_NEVER;
    __u64 period_ns = 0;
    bh_budget_action on_warn = BH_ON_EVENT;
    bh_budget_action on_exceed = BH_ON_REFUSE;
};

// What an earlier environment of the same name used of the same budget.
struct CarriedOver {
    __u64 used = 0;
    __u64 period_began_ns = 0;  // CLOCK_BOOTTIME; wrapped when that was before the boot
    __u64 exceeded = 0;
    __u64 refused = 0;
    bool is_warned = false;
    bool is_exceeded = false;
};

// What is running already and counts.
enum class Running {
    kNothing,  // the environment starts: all that it will use counts
    kSome,     // what it used before does not
};

// The record's cgroup, where its packets are counted. A start has it before the record has.
struct BudgetedCgroup {
    __u64 id = 0;
    Running running = Running::kSome;
};

// True for programs that load() pins and does not attach.
bool spends_budgets(std::string_view program);

const char* budget_name(unsigned kind);

// Holds for what is used from now on. What is used in the period stays when the terms change but
// for the period; another period begins at nothing. kUnsupported: this kernel does not say what a
// budget of CPU time needs. ESTALE: the environment is gone.
Status set_budget(const Environments& environments, bh_label label, const BudgetedCgroup& cgroup,
                  bh_budget_kind kind, const BudgetTerms& terms,
                  const std::optional<CarriedOver>& carried = std::nullopt);

Status clear_budget(const Environments& environments, bh_label label, bh_budget_kind kind);

// The row as it is now; none: this environment has no budget.
Result<std::optional<bh_budgets>> read_budgets(bh_label label);

// Detaches what no environment needs but, perhaps, that of `label`, which leaves. Under
// lock_pins().
Status stop_spending(const Environments& environments, bh_label label);

// Where the kernel keeps the distances between its CPUs' variables. kUnsupported: it does not say.
Result<__u64> find_cpu_offsets();
// The same in the form of /proc/kallsyms.
Result<__u64> cpu_offsets_in(std::istream& symbols);

}  // namespace bulkhead::loader
