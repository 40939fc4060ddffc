#include "runtime/budgets.h"

#include <algorithm>

#include "loader/cgroup_programs.h"
#include "loader/environments.h"
#include "loader/governed.h"
#include "runtime/budgets_record.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/governor.h"
#include "runtime/life.h"
#include "runtime/start.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {
namespace {

Standing standing_of(const bh_budget& budget, std::uint64_t period, std::uint32_t done) {
    const bool exceeded = is_past_amount(budget, period);
    const bool warned = is_past_warning(budget, period);
    const std::uint32_t action = std::max(exceeded ? budget.on_exceed : std::uint32_t{BH_ON_EVENT},
                                          warned ? budget.on_warn : std::uint32_t{BH_ON_EVENT});
    if (action == BH_ON_EVENT)
        return exceeded ? Standing::kExceeded : warned ? Standing::kWarned : Standing::kOpen;
    if (action == BH_ON_REFUSE)
        return Standing::kRefuses;
    if ((done & 1U << action) == 0)
        return Standing::kWaits;
    return action == BH_ON_THROTTLE ? Standing::kThrottled
           : action == BH_ON_PAUSE  ? Standing::kPaused
                                    : Standing::kStopping;
}

Budget shown(unsigned kind, const bh_budgets& all, std::uint64_t now_ns) {
    const bh_budget& row = all.budgets[kind];
    const std::uint64_t period = bh_period_at(now_ns, row.origin_ns, row.period_ns);
    const std::uint64_t left_ns = bh_period_end(period, row.origin_ns, row.period_ns) - now_ns;
    Budget budget;
    budget.kind = static_cast<bh_budget_kind>(kind);
    budget.used = shown_amount(kind, bh_used_in(row.spent, period));
    budget.amount = shown_amount(kind, row.amount);
    if (row.warn != BH_NEVER)
        budget.warn = shown_amount(kind, row.warn);
    budget.period_ns = row.period_ns;
    budget.ends_unix_ns = unix_ns_of_boot_ns(now_ns + left_ns);
    budget.on_warn = static_cast<bh_budget_action>(row.on_warn);
    budget.on_exceed = static_cast<bh_budget_action>(row.on_exceed);
    budget.exceeded = row.exceeded;
    budget.refused = row.refused;
    budget.is_exceeded = row.exceeded_in == period + 1;
    budget.standing = standing_of(row, period, all.governed.done);
    return budget;
}

// What is used without an act is looked at where memory over time is added up.
bool needs_memory_clock(bh_budget_kind kind) {
    return kind == BH_BUDGET_CPU || kind == BH_BUDGET_MEMORY || kind == BH_BUDGET_WALL;
}

Status check_clock(const Cgroup& cgroup, bh_budget_kind kind) {
    if (!needs_memory_clock(kind) || cgroup.read("memory.current"))
        return {};
    return fail(Error(0,
                      std::string("a budget of ") + loader::budget_name(kind) +
                          " needs the memory controller in the environment's cgroup",
                      Fault::kUnsupported)
                    .advise("enable it in the cgroup above: cgroup.subtree_control"));
}

Status check_adopted(const bh_environment& record, const std::vector<BudgetWanted>& wanted) {
    if ((record.flags & BH_ENV_ADOPTED) == 0)
        return {};
    for (const BudgetWanted& one : wanted) {
        if (one.terms && (loader::needs_an_agent(one.terms->on_warn) ||
                          loader::needs_an_agent(one.terms->on_exceed)))
            return fail(Error(0,
                              std::string(record.name) +
                                  " was adopted: its cgroup is not ours to throttle, pause or stop",
                              Fault::kUsage)
                            .advise("on-exceed=refuse and on-exceed=event are there for it"));
        if (one.kind == BH_BUDGET_CPU && one.terms)
            return fail(Error(0,
                              std::string(record.name) +
                                  " was adopted: CPU time of the cgroups below its own is not "
                                  "counted in time for a budget",
                              Fault::kUsage)
                            .advise("limit it where the cgroup is made: cpu.max"));
    }
    return {};
}

}  // namespace

std::uint64_t shown_amount(unsigned kind, std::uint64_t counted) {
    switch (kind) {
        case BH_BUDGET_CPU:
            return counted * 1000;
        case BH_BUDGET_MEMORY:
            return counted * 4096;
        case BH_BUDGET_WALL:
            return counted * 1'000'000;
        default:
            return counted;
    }
}

std::vector<Budget> budgets_in(const bh_budgets& row, std::uint64_t now_ns) {
    std::vector<Budget> budgets;
    for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind)
        if ((row.asked & 1U << kind) != 0)
            budgets.push_back(shown(kind, row, now_ns));
    return budgets;
}

Result<std::vector<Budget>> read_budgets(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    BULKHEAD_TRY_VALUE(row, loader::read_budgets(label));
    return row ? budgets_in(*row, boot_time_ns()) : std::vector<Budget>{};
}

Result<std::vector<NamedBudgets>> read_all_budgets() {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    std::vector<NamedBudgets> all;
    Status failed;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if ((record.flags & BH_ENV_BUDGETED) == 0)
            return;
        const auto row = loader::read_budgets(label);
        if (!row)
            failed = fail(Error(row.error()));
        else if (*row)
            all.push_back({record.name, budgets_in(**row, boot_time_ns())});
    });
    BULKHEAD_TRY(failed);
    return all;
}

Status set_budget(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                  loader::Running running, const BudgetWanted& wanted) {
    if (!wanted.terms)
        return loader::clear_budget(environments, label, wanted.kind);
    BULKHEAD_TRY(check_clock(cgroup, wanted.kind));
    BULKHEAD_TRY_VALUE(cgroup_id, cgroup.id());
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    BULKHEAD_TRY_VALUE(carried, carried_over(record->name, wanted.kind, wanted.terms->period_ns));
    return loader::set_budget(environments, label, {cgroup_id, running}, wanted.kind, *wanted.terms,
                              carried);
}

Status set_budgets_of(const std::string& name, const std::vector<BudgetWanted>& wanted) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    BULKHEAD_TRY(check_adopted(*environments.record(label), wanted));
    for (const BudgetWanted& one : wanted)
        BULKHEAD_TRY(set_budget(environments, label, *cgroup, loader::Running::kSome, one));
    // A reading begins the clock of an adopted one, which may not have executed anything since.
    BULKHEAD_TRY(read_usage(cgroup->fd()));
    return govern(environments, label);
}

}  // namespace bulkhead::runtime
