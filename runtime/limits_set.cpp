#include "runtime/limits_set.h"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "loader/environments.h"
#include "loader/governed.h"
#include "runtime/cgroup.h"
#include "runtime/guarantees.h"
#include "runtime/life.h"
#include "runtime/plans_facts.h"
#include "runtime/spec.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

using Limit = std::optional<std::uint64_t> Limits::*;

constexpr Limit kAll[] = {&Limits::memory_bytes,     &Limits::memory_min_bytes,
                          &Limits::memory_low_bytes, &Limits::swap_bytes,
                          &Limits::cpu_milli,        &Limits::cpu_weight,
                          &Limits::io_weight,        &Limits::pids};

Limits merged(Limits limits, const Limits& wanted) {
    for (const Limit limit : kAll) {
        if (wanted.*limit == kNoLimit)
            (limits.*limit).reset();
        else if (wanted.*limit)
            limits.*limit = wanted.*limit;
    }
    return limits;
}

// What undoes `wanted`. Weights have no absence: the kernel's own is 100.
Limits taken_back(const Limits& before, const Limits& wanted) {
    constexpr std::uint64_t kWeight = 100;
    Limits undo;
    for (const Limit limit : kAll) {
        const bool is_weight = limit == &Limits::cpu_weight || limit == &Limits::io_weight;
        if (wanted.*limit)
            undo.*limit = (before.*limit).value_or(is_weight ? kWeight : kNoLimit);
    }
    return undo;
}

// A limit below what is in use would end processes.
Status refuse_less_than_is_used(const Cgroup& cgroup, const std::string& name,
                                const Limits& wanted) {
    const auto used = read_memory_use(cgroup);
    if (!wanted.memory_bytes || !used || *used <= *wanted.memory_bytes)
        return {};
    return fail(
        Error(0, name + " uses " + std::to_string(*used) + " bytes of memory, more than --memory",
              Fault::kUsage)
            .advise("give it a higher limit, or end what uses it"));
}

// What a budget took is given back from what was noted then.
Status refuse_throttled(bh_label label, const std::string& name, const Limits& wanted) {
    if (!wanted.cpu_milli)
        return {};
    BULKHEAD_TRY_VALUE(row, loader::read_governed(label));
    if (!row || (row->governed.begun & 1U << BH_ON_THROTTLE) == 0)
        return {};
    return fail(Error(EBUSY, "a budget throttles the CPU time of " + name)
                    .advise("bulkhead budget " + name + " shows until when"));
}

Status give(const Cgroup& cgroup, const Limits& wanted, const Limits& all) {
    if (wanted.memory_min_bytes || wanted.memory_low_bytes)
        BULKHEAD_TRY(guarantee(cgroup, all));
    return cgroup.apply(wanted);
}

}  // namespace

Status refuse_limits_of_adopted(const bh_environment& record) {
    if ((record.flags & BH_ENV_ADOPTED) == 0)
        return {};
    return fail(Error(0,
                      std::string(record.name) +
                          " was adopted: the limits of its cgroup are not ours to move",
                      Fault::kUsage)
                    .advise("set them where the cgroup is made, such as its service's unit"));
}

Status set_limits_of(const std::string& name, const Limits& wanted) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    BULKHEAD_TRY(refuse_limits_of_adopted(*environments.record(label)));
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    const Limits before = state.spec.limits;
    state.spec.limits = merged(before, wanted);
    BULKHEAD_TRY(validate(state.spec));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    BULKHEAD_TRY(refuse_less_than_is_used(*cgroup, name, wanted));
    BULKHEAD_TRY(refuse_throttled(label, name, wanted));
    Status given = give(*cgroup, wanted, state.spec.limits);
    if (given)
        given = directory.save(state);
    if (!given)
        (void)give(*cgroup, taken_back(before, wanted), before);
    return given;
}

}  // namespace bulkhead::runtime
