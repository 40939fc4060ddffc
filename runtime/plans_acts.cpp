// The looks of an agent at plans: what is in use and what the machine has, then moves.
#include <algorithm>
#include <cerrno>
#include <vector>

#include "loader/environments.h"
#include "loader/governed.h"
#include "loader/store_release.h"
#include "runtime/cgroup.h"
#include "runtime/governor.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/life.h"
#include "runtime/plans.h"
#include "runtime/plans_facts.h"
#include "runtime/start.h"

namespace bulkhead::runtime {
namespace {

using loader::store_release;

constexpr std::uint64_t kBetweenLooksNs = 4'000'000'000;

// One environment as a look finds it.
struct Seen {
    bh_label label;
    std::string name;
    Cgroup cgroup;
    std::array<std::optional<Load>, BH_PLAN_COUNT> loads;
};

bool has_plan(const bh_governed& governed) {
    return std::any_of(std::begin(governed.plans), std::end(governed.plans),
                       [](const bh_plan& plan) { return plan.least != 0; });
}

// While a budget has it frozen or throttled, what is used says nothing of what it needs.
bool stands_still(const bh_governed& governed, unsigned resource) {
    const std::uint32_t still =
        1U << BH_ON_PAUSE | (resource == BH_PLAN_CPUS ? 1U << BH_ON_THROTTLE : 0U);
    return (governed.begun & still) != 0;
}

std::vector<bh_label> planned_ones(const loader::Environments& environments) {
    std::vector<bh_label> planned;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if ((record.flags & BH_ENV_GOVERNED) == 0)
            return;
        const auto row = loader::read_governed(label);
        if (row && *row && has_plan((*row)->governed) && is_running(environments, label))
            planned.push_back(label);
    });
    return planned;
}

std::optional<Load> read_load(const Cgroup& cgroup, bh_governed& governed, unsigned resource,
                              std::uint64_t now_ns) {
    bh_plan& plan = governed.plans[resource];
    if (plan.least == 0)
        return std::nullopt;
    std::optional<Load> load =
        resource == BH_PLAN_MEMORY ? read_memory_load(cgroup) : read_cpu_load(cgroup, plan, now_ns);
    if (stands_still(governed, resource))
        load.reset();
    return load;
}

// None: somebody looked just now, or it is gone.
std::optional<Seen> look_at(const loader::Environments& environments, bh_label label,
                            std::uint64_t now_ns) {
    auto row = loader::GovernedRow::open(label);
    const bh_environment* record = environments.record(label);
    auto cgroup = cgroup_of_environment(environments, label);
    if (!row || record == nullptr || !cgroup)
        return std::nullopt;
    bh_governed& governed = (*row)->governed;
    const std::uint64_t last_ns = governed.plans[BH_PLAN_MEMORY].looked_ns;
    if (last_ns != 0 && now_ns - last_ns < kBetweenLooksNs)
        return std::nullopt;
    Seen seen{label, record->name, std::move(*cgroup), {}};
    for (unsigned resource = 0; resource < BH_PLAN_COUNT; ++resource) {
        seen.loads[resource] = read_load(seen.cgroup, governed, resource, now_ns);
        store_release(governed.plans[resource].looked_ns, __u64{now_ns});
    }
    return seen;
}

std::uint64_t promised(const std::vector<Seen>& all) {
    std::uint64_t sum = 0;
    for (const Seen& one : all)
        if (const auto& load = one.loads[BH_PLAN_MEMORY]; load && load->limit > load->used)
            sum += load->limit - load->used;
    return sum;
}

Status move_limit(const Seen& seen, unsigned resource, bh_plan& plan, Spare& spare,
                  std::uint64_t now_ns) {
    const Load& load = *seen.loads[resource];
    const auto move = next_move(plan, load, spare, now_ns);
    if (!move)
        return {};
    // As the kernel keeps it.
    const std::uint64_t to = resource == BH_PLAN_MEMORY ? whole_pages(move->to) : move->to;
    BULKHEAD_TRY(seen.cgroup.apply(limit_of(static_cast<bh_plan_resource>(resource), to)));
    const bool is_raised = to > load.limit;
    if (is_raised)
        spare.amount -= std::min(spare.amount, to - load.limit);
    __u64& count = is_raised ? plan.raised : plan.lowered;
    store_release(count, count + 1);
    tell("plan-moved", seen.name,
         {{"resource", plan_resource_name(resource)},
          {"from", load.limit},
          {"to", to},
          {"because", move_reason_name(move->reason)}});
    return {};
}

Status move_limits(const Seen& seen, std::array<Spare, BH_PLAN_COUNT>& spare,
                   std::uint64_t now_ns) {
    auto row = loader::GovernedRow::open(seen.label);
    if (!row)
        return fail(std::move(row).error());
    for (unsigned resource = 0; resource < BH_PLAN_COUNT; ++resource) {
        bh_plan& plan = (*row)->governed.plans[resource];
        if (!seen.loads[resource] || plan.least == 0)
            continue;
        if (const Status moved = move_limit(seen, resource, plan, spare[resource], now_ns); !moved)
            return fail(Error(moved.error()).within("move the limits of " + seen.name));
    }
    return {};
}

}  // namespace

Status move_plans() {
    BULKHEAD_TRY_VALUE(any, loader::is_anything_governed());
    if (!any)
        return {};
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    const std::uint64_t now_ns = boot_time_ns();
    std::vector<Seen> all;
    for (const bh_label label : planned_ones(environments))
        if (auto seen = look_at(environments, label, now_ns))
            all.push_back(std::move(*seen));
    if (all.empty())
        return {};
    // What all were given and do not use yet is not there to be given twice.
    std::array<Spare, BH_PLAN_COUNT> spare = {read_spare_memory(promised(all)), read_spare_cpus()};
    Status failed;
    for (const Seen& seen : all)
        if (Status moved = move_limits(seen, spare, now_ns);
            !moved && moved.error().code() != ESTALE)
            failed = std::move(moved);
    return failed;
}

}  // namespace bulkhead::runtime
