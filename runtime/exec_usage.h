// What was used by what somebody started in an environment that ran already (`exec`), and by all
// that came of it. Part of what the environment used. Only what is counted for each task, and for
// each socket, by itself is there: no memory by kind.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "runtime/json.h"
#include "runtime/ledger/pending.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

struct ExecUsage {
    std::string environment;
    std::uint64_t number = 0;  // used once in a load of the programs
    std::string command;       // the first word
    std::uint32_t pid = 0;     // of the first process, on the host
    std::uint64_t started_unix_ns = 0;
    std::uint64_t ended_unix_ns = 0;  // of one that ended
    // Of the first process, as wait(2) gives it; absent when its end was not seen.
    std::optional<int> exit_status;
    ledger::Exactness exactness = ledger::Exactness::kExact;

    std::uint64_t cpu_user_ns = 0;
    std::uint64_t cpu_system_ns = 0;
    std::uint64_t cpu_ns = 0;       // user and system
    std::uint64_t cpu_nice_ns = 0;  // of user, at a raised nice value, by timer tick
    std::uint64_t run_queue_delay_ns = 0;
    Waits waits{};
    Preempted preempted;
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
    std::uint64_t largest_process_bytes = 0;  // resident at most, of any one that has ended
    std::uint64_t faults = 0;                 // minor and major
    std::uint64_t major_faults = 0;
    std::uint64_t read_bytes = 0;     // made a disk read
    std::uint64_t written_bytes = 0;  // of pages made dirty
    std::uint64_t tasks = 0;          // threads included
    std::uint64_t tasks_peak = 0;
    std::uint64_t forks = 0;
    std::uint64_t execs = 0;
    // At the IP layer, of the sockets that it made; `refused` is not told by family.
    std::array<FamilyTraffic, BH_FAMILY_COUNT> network{};
    std::vector<Refusals> refusals;  // every class, in the order of the wire
};

// Of one that runs.
ExecUsage exec_usage_of(std::uint64_t number, const bh_exec& exec);
ExecUsage exec_usage_of(const ledger::EndedExec& ended);

Json to_json(const ExecUsage& usage);
// Of one that ended.
Json receipt_json(const ExecUsage& usage);
// For people: a line.
std::string to_text(const ExecUsage& usage);

}  // namespace bulkhead::runtime
