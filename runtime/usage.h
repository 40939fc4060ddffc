// What an environment used: one struct for the command, the exporter and the receipt, so that
// they cannot disagree.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"
#include "runtime/budgets.h"
#include "runtime/json.h"

namespace bulkhead::loader {
struct MeterReading;
struct MeterView;
}  // namespace bulkhead::loader

namespace bulkhead::runtime {

struct Traffic {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
};

// One family of network traffic.
struct FamilyTraffic {
    Traffic received;
    Traffic sent;
    std::uint64_t connects = 0;  // streams, as far as the fence let them through
    std::uint64_t refused = 0;   // by the policy's rules on addresses

    [[nodiscard]] bool is_none() const;
};

struct Transfer {
    std::uint64_t bytes = 0;
    std::uint64_t operations = 0;
};

// Time in which some, or all, tasks that could have run waited for a resource. Up to two seconds
// old: the kernel averages it that often.
struct Pressure {
    std::uint64_t some_ns = 0;
    std::uint64_t full_ns = 0;
};

// By whom tasks lost their CPU although they could have gone on.
struct Preempted {
    std::uint64_t by_itself = 0;
    std::uint64_t by_other_environments = 0;
    std::uint64_t by_host = 0;
};
Preempted preempted_of(const __u64 (&from)[BH_PREEMPTOR_COUNT]);

// Waits for a CPU by length: the i-th counts those up to BH_WAIT_BOUND_NS(i) and longer than the
// bound before; the last one all longer ones.
using Waits = std::array<std::uint64_t, BH_WAIT_BUCKETS>;

// What `cpu.max` did.
struct Throttling {
    std::uint64_t throttled_ns = 0;  // of all CPUs
    std::uint64_t periods = 0;       // in which something ran
    std::uint64_t throttled_periods = 0;
};

// A class by which something was refused, or in audit mode would have been.
struct Refusals {
    std::string_view class_name;
    std::uint64_t refused = 0;
    std::uint64_t audited = 0;
};

// How often an agent did what a budget asks for.
struct BudgetActions {
    std::uint64_t throttled = 0;
    std::uint64_t paused = 0;
    std::uint64_t stopped = 0;
};

// How often an agent moved the limits of plans.
struct PlanMoves {
    std::uint64_t memory_raised = 0;
    std::uint64_t memory_lowered = 0;
    std::uint64_t cpus_raised = 0;
    std::uint64_t cpus_lowered = 0;
};

// Absolute since the environment started. Memory and tasks are as of now.
struct Usage {
    std::string environment;
    std::uint32_t serial = 0;  // of its label
    bool best_effort = false;
    std::uint64_t started_unix_ns = 0;

    std::uint64_t cpu_user_ns = 0;
    std::uint64_t cpu_system_ns = 0;
    std::uint64_t cpu_ns = 0;       // user and system
    std::uint64_t cpu_nice_ns = 0;  // part of user; 0 where the kernel does not keep it
    std::uint64_t run_queue_delay_ns = 0;
    Waits waits{};
    Preempted preempted;
    Throttling throttling;

    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_peak_bytes = 0;
    std::uint64_t swap_bytes = 0;
    // Kinds overlap as in memory.stat: shmem is part of file, slab of kernel.
    std::uint64_t anon_bytes = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t shmem_bytes = 0;
    std::uint64_t kernel_bytes = 0;
    std::uint64_t slab_bytes = 0;
    std::uint64_t sock_bytes = 0;
    std::uint64_t memory_byte_seconds = 0;  // held, times how long
    std::uint64_t faults = 0;               // minor and major
    std::uint64_t major_faults = 0;
    std::uint64_t scanned_bytes = 0;    // looked at to be reclaimed
    std::uint64_t reclaimed_bytes = 0;  // and let go of
    std::uint64_t oom_kills = 0;

    std::uint64_t tasks = 0;  // threads included
    std::uint64_t tasks_peak = 0;
    std::uint64_t forks = 0;
    std::uint64_t execs = 0;

    std::array<FamilyTraffic, BH_FAMILY_COUNT> network{};
    Transfer read;
    Transfer written;

    Pressure cpu_pressure;
    Pressure memory_pressure;
    Pressure io_pressure;

    std::vector<Refusals> refusals;  // every class, in the order of the wire
    std::uint64_t internal_refusals = 0;
    // Counted above, but `why` and `events` cannot tell them: the kernel had no memory for the row.
    std::uint64_t unrecorded_refusals = 0;
    // Acts in mode learn that were let through and are missing in what was learned: no room.
    std::uint64_t unlearned = 0;
    std::vector<Budget> budgets;
    BudgetActions budget_actions;
    bool has_plans = false;
    PlanMoves plan_moves;

    [[nodiscard]] Traffic received() const;       // of all families
    [[nodiscard]] Traffic sent() const;           // likewise
    [[nodiscard]] std::uint64_t refused() const;  // of all classes
};

Usage usage_of(const loader::MeterView& reading);
Usage usage_of(const loader::MeterReading& reading);

// One pass over all environments below `parent_cgroup`, a directory. Empty when nothing is
// loaded or nothing runs.
Result<std::vector<Usage>> read_all_usage(const std::string& parent_cgroup);

// Of one environment. ENOENT: none has this name, or nothing is loaded.
Result<Usage> read_usage_of(const std::string& name);

// Of the environment that `cgroup_fd` belongs to. ENOENT: it belongs to none.
Result<Usage> read_usage(int cgroup_fd);

// The last bucket has no bound.
Json waits_json(const Waits& waits);
Json traffic_json(const FamilyTraffic& family);
Json preempted_json(const Preempted& preempted);
Json to_json(const Usage& usage);

// For people: a line per resource.
std::string to_text(const Usage& usage);

}  // namespace bulkhead::runtime
