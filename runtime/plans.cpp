// What moves a limit.
#include "runtime/plans.h"

#include <algorithm>
#include <array>

#include "runtime/cgroup.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kCalmNs = 30'000'000'000;

std::uint64_t percent_of(std::uint64_t amount, unsigned percent) {
    return amount / 100 * percent + amount % 100 * percent / 100;
}

// What is used, and a quarter more.
std::uint64_t least_for(const bh_plan& plan, const Load& load) {
    return std::max<std::uint64_t>(plan.least, load.used + percent_of(load.used, 25));
}

std::optional<Move> raise(const bh_plan& plan, const Load& load, const Spare& spare) {
    const bool is_used = load.used > percent_of(load.limit, 90);
    if ((!is_used && !load.is_pressed) || load.limit >= plan.most)
        return std::nullopt;
    const std::uint64_t step = std::min(percent_of(load.limit, 25), spare.amount);
    const std::uint64_t to = std::min<std::uint64_t>(plan.most, load.limit + step);
    if (to <= load.limit)
        return std::nullopt;
    return Move{to, is_used ? MoveReason::kUse : MoveReason::kPressure};
}

std::optional<Move> lower(bh_plan& plan, const Load& load, std::uint64_t now_ns) {
    if (load.is_pressed || load.used >= percent_of(load.limit, 60)) {
        plan.calm_since_ns = 0;
        return std::nullopt;
    }
    if (plan.calm_since_ns == 0)
        plan.calm_since_ns = now_ns;
    if (now_ns - plan.calm_since_ns < kCalmNs)
        return std::nullopt;
    plan.calm_since_ns = now_ns;
    const std::uint64_t to =
        std::max(least_for(plan, load), load.limit - percent_of(load.limit, 10));
    return to < load.limit ? std::optional(Move{to, MoveReason::kCalm}) : std::nullopt;
}

}  // namespace

std::uint64_t whole_pages(std::uint64_t bytes) {
    constexpr std::uint64_t kPageBytes = 4096;
    return bytes - bytes % kPageBytes;
}

const char* plan_resource_name(unsigned resource) {
    static constexpr std::array kNames = {"memory", "cpus"};
    static_assert(kNames.size() == BH_PLAN_COUNT);
    return resource < kNames.size() ? kNames[resource] : "?";
}

const char* move_reason_name(MoveReason reason) {
    static constexpr std::array kNames = {"bounds", "use", "pressure", "calm", "host"};
    return kNames[static_cast<std::size_t>(reason)];
}

std::optional<Move> next_move(bh_plan& plan, const Load& load, const Spare& spare,
                              std::uint64_t now_ns) {
    // What the plan promises, the machine's state aside.
    if (load.limit < plan.least)
        return Move{plan.least, MoveReason::kBounds};
    if (load.limit > plan.most && least_for(plan, load) <= plan.most)
        return Move{plan.most, MoveReason::kBounds};
    if (spare.is_short) {
        plan.calm_since_ns = 0;
        const std::uint64_t to = least_for(plan, load);
        return to < load.limit ? std::optional(Move{to, MoveReason::kHost}) : std::nullopt;
    }
    if (const auto up = raise(plan, load, spare)) {
        plan.calm_since_ns = 0;
        return up;
    }
    return lower(plan, load, now_ns);
}

Spare spare_memory(std::uint64_t total, std::uint64_t available, std::uint64_t promised) {
    const std::uint64_t kept = total / 10 + promised;
    return {available > kept ? available - kept : 0, available < total / 10};
}

Spare spare_cpus(const CpuTimes& before, const CpuTimes& now, std::uint64_t cpus) {
    if (now.all <= before.all || now.idle < before.idle)
        return {};
    const std::uint64_t idle = (now.idle - before.idle) * cpus * 1000 / (now.all - before.all);
    const std::uint64_t kept = cpus * 100;
    return {idle > kept ? idle - kept : 0, false};
}

Limits limit_of(bh_plan_resource resource, std::uint64_t amount) {
    Limits limits;
    if (resource == BH_PLAN_MEMORY)
        limits.memory_high_bytes = amount;
    else
        limits.cpu_milli = amount;
    return limits;
}

Limits with_plans(Limits limits, const std::vector<PlanWanted>& plans) {
    for (const PlanWanted& plan : plans) {
        if (!plan.bounds)
            continue;
        if (plan.resource == BH_PLAN_MEMORY) {
            limits.memory_high_bytes = plan.bounds->least;
            limits.memory_bytes = plan.bounds->most;
        } else {
            limits.cpu_milli = plan.bounds->least;
        }
    }
    return limits;
}

}  // namespace bulkhead::runtime
