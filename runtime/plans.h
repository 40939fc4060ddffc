// Plans: limits with a minimum and a maximum, between which an agent moves them by what it sees.
// The bounds and what was seen are in the environment's row, beside its budgets (bh_plan): an agent
// that starts goes on from there, and with none the limit stays where it is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/wire_budgets.h"
#include "loader/result.h"

namespace bulkhead::loader {
class Environments;
}

namespace bulkhead::runtime {

class Cgroup;
struct Limits;

// In the unit of the resource: bytes, thousandths of a CPU.
struct PlanBounds {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
};

// What somebody asks for; no bounds: no plan any more.
struct PlanWanted {
    bh_plan_resource resource{};
    std::optional<PlanBounds> bounds;
};

// "memory=512M..2G", "cpus=0.5..2", "cpus=none"; a resource has one plan. kUsage, naming what is
// wrong.
Result<std::vector<PlanWanted>> parse_plans(const std::vector<std::string>& texts);
// Rounded down: the kernel keeps limits of memory so.
std::uint64_t whole_pages(std::uint64_t bytes);
// "memory", "cpus".
const char* plan_resource_name(unsigned resource);

// A limit and what is seen of it, in the unit of the resource.
struct Load {
    std::uint64_t limit = 0;
    std::uint64_t used = 0;
    bool is_pressed = false;  // something waits for more of it
};

// What the machine can give.
struct Spare {
    std::uint64_t amount = 0;  // by which limits may still be raised
    bool is_short = false;     // what is not used is to be given back
};

enum class MoveReason { kBounds, kUse, kPressure, kCalm, kHost };
const char* move_reason_name(MoveReason reason);

struct Move {
    std::uint64_t to = 0;
    MoveReason reason{};
};

// The rules of docs/metering.md. Keeps in `plan` since when it is calm; none: the limit stays.
std::optional<Move> next_move(bh_plan& plan, const Load& load, const Spare& spare,
                              std::uint64_t now_ns);

// What is left for raises of what the machine has, when `promised` of it was given to limits and is
// not used yet. A tenth of `total` is the machine's own.
Spare spare_memory(std::uint64_t total, std::uint64_t available, std::uint64_t promised);

// Of all CPUs of the machine, in ticks.
struct CpuTimes {
    std::uint64_t idle = 0;
    std::uint64_t all = 0;
};
// The part of `cpus` that was idle from `before` to `now`, less a tenth of all. Not by the
// machine's pressure: whoever is throttled waits, however many CPUs are idle.
Spare spare_cpus(const CpuTimes& before, const CpuTimes& now, std::uint64_t cpus);

// The limit that is moved, alone. Of memory it is memory.high, above which the kernel reclaims and
// slows down and kills nobody: whoever grows quicker than an agent looks lives. memory.max is the
// plan's most.
Limits limit_of(bh_plan_resource resource, std::uint64_t amount);
// The limits to start with: of what has a plan the least ones.
Limits with_plans(Limits limits, const std::vector<PlanWanted>& plans);

// Notes the plan in the row. At a start.
Status set_plan(const loader::Environments& environments, bh_label label, const PlanWanted& wanted);

// Live: the limit is within the bounds from then on, and the state remembers. kUsage for an adopted
// environment, and where more memory is in use than the plan allows.
Status set_plans_of(const std::string& name, const std::vector<PlanWanted>& wanted);

// A plan and where its limit is; 0: it has none.
struct Plan {
    bh_plan_resource resource{};
    PlanBounds bounds;
    std::uint64_t limit = 0;
};
Result<std::vector<Plan>> read_plans(const loader::Environments& environments, bh_label label);

// Looks at all plans and moves what is to be moved; those that somebody looked at within four
// seconds are left. The last error, when all were looked at.
Status move_plans();

}  // namespace bulkhead::runtime
