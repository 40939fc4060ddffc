// Giving plans to environments, and reading them.
#include <algorithm>
#include <cerrno>

#include "loader/environments.h"
#include "loader/governed.h"
#include "loader/store_release.h"
#include "runtime/cgroup.h"
#include "runtime/life.h"
#include "runtime/limits_set.h"
#include "runtime/plans.h"
#include "runtime/plans_facts.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

using loader::store_release;

// A maximum below what is in use would end processes.
Status refuse_too_little(const Cgroup& cgroup, const std::string& name, const PlanWanted& wanted) {
    if (!wanted.bounds || wanted.resource != BH_PLAN_MEMORY)
        return {};
    const auto load = read_memory_use(cgroup);
    if (!load || *load <= wanted.bounds->most)
        return {};
    return fail(Error(0,
                      name + " uses " + std::to_string(*load) +
                          " bytes of memory, more than the plan's maximum",
                      Fault::kUsage)
                    .advise("give it a higher one, or end what uses it"));
}

// Where it is throttled what is written is what it gets back.
Status write_cpus(const Cgroup& cgroup, bh_governed& governed, std::uint64_t milli) {
    if ((governed.begun & 1U << BH_ON_THROTTLE) == 0)
        return cgroup.apply(limit_of(BH_PLAN_CPUS, milli));
    store_release(governed.quota_us, __u64{milli * governed.quota_period_us / 1000});
    return {};
}

// Within the bounds, and without a plan at the last one's most.
Status place_memory(const Cgroup& cgroup, const PlanWanted& wanted) {
    if (!wanted.bounds)
        return cgroup.write("memory.high", "max");
    Limits limits;
    limits.memory_bytes = wanted.bounds->most;
    limits.memory_high_bytes =
        std::clamp(read_limit(cgroup, BH_PLAN_MEMORY).value_or(wanted.bounds->most),
                   wanted.bounds->least, wanted.bounds->most);
    return cgroup.apply(limits);
}

Status place_cpus(const Cgroup& cgroup, bh_governed& governed, const PlanWanted& wanted) {
    const bh_plan& before = governed.plans[BH_PLAN_CPUS];
    if (!wanted.bounds)
        return before.least == 0 ? Status{} : write_cpus(cgroup, governed, before.most);
    const std::uint64_t limit = read_limit(cgroup, BH_PLAN_CPUS).value_or(wanted.bounds->most);
    return write_cpus(cgroup, governed,
                      std::clamp(limit, wanted.bounds->least, wanted.bounds->most));
}

void store_plan(bh_governed& governed, const PlanWanted& wanted) {
    bh_plan& plan = governed.plans[wanted.resource];
    plan.calm_since_ns = 0;
    store_release(plan.most, __u64{wanted.bounds ? wanted.bounds->most : 0});
    store_release(plan.least, __u64{wanted.bounds ? wanted.bounds->least : 0});
}

// What `status` of a later command shows, and what its next life is given.
Status remember(const std::string& name, const std::vector<PlanWanted>& wanted) {
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    for (const PlanWanted& one : wanted) {
        std::erase_if(state.spec.plans,
                      [&](const PlanWanted& old) { return old.resource == one.resource; });
        if (one.bounds)
            state.spec.plans.push_back(one);
    }
    return directory.save(state);
}

}  // namespace

Status set_plan(const loader::Environments& environments, bh_label label,
                const PlanWanted& wanted) {
    auto row = loader::GovernedRow::claim(environments, label);
    if (!row)
        return fail(std::move(row).error());
    store_plan((*row)->governed, wanted);
    return {};
}

Status set_plans_of(const std::string& name, const std::vector<PlanWanted>& wanted) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    BULKHEAD_TRY(refuse_limits_of_adopted(*environments.record(label)));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    for (const PlanWanted& one : wanted)
        BULKHEAD_TRY(refuse_too_little(*cgroup, name, one));
    {
        auto row = loader::GovernedRow::claim(environments, label);
        if (!row)
            return fail(std::move(row).error());
        for (const PlanWanted& one : wanted) {
            BULKHEAD_TRY(one.resource == BH_PLAN_MEMORY
                             ? place_memory(*cgroup, one)
                             : place_cpus(*cgroup, (*row)->governed, one));
            store_plan((*row)->governed, one);
        }
    }
    return remember(name, wanted);
}

Result<std::vector<Plan>> read_plans(const loader::Environments& environments, bh_label label) {
    std::vector<Plan> plans;
    BULKHEAD_TRY_VALUE(row, loader::read_governed(label));
    if (!row)
        return plans;
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    for (unsigned resource = 0; resource < BH_PLAN_COUNT; ++resource) {
        const bh_plan& plan = row->governed.plans[resource];
        const auto which = static_cast<bh_plan_resource>(resource);
        if (plan.least != 0)
            plans.push_back(
                {which, {plan.least, plan.most}, read_limit(*cgroup, which).value_or(0)});
    }
    return plans;
}

}  // namespace bulkhead::runtime
