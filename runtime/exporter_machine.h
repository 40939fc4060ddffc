// Metrics of the machine's programs and maps and of the agent itself.
#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/map_fill.h"
#include "loader/program_stats.h"

namespace bulkhead::runtime {

// The agent's own process, as /proc shows it.
struct OwnProcess {
    double cpu_seconds = 0;
    double resident_bytes = 0;
    double start_unix_s = 0;
};

struct Machine {
    std::string version;
    bool up = true;  // all could be read
    bool ledger_up = false;
    std::size_t environments = 0;
    double scrape_seconds = 0;

    bool loaded = false;                  // programs of ours are there, of whatever version
    std::optional<double> loaded_unix_s;  // none: nothing is loaded that can be read
    std::uint64_t orphaned_refusals = 0;
    bool program_stats_on = false;
    std::vector<loader::ProgramStats> programs;
    std::vector<loader::MapFill> maps;
    OwnProcess process;
};

class MachineReader {
public:
    // Fills in what is not the exporter's to know. Never fails: `up` is false when something could
    // not be read, and the log says what.
    Machine read();

private:
    std::vector<loader::MapFill> maps_;  // as of the last walk
    std::chrono::steady_clock::time_point walked_;
    std::uint64_t loaded_ns_ = 0;  // of the programs that were loaded then, by their own clock
    double loaded_unix_s_ = 0;     // turned once, as it must not move
};

struct MachineFamily {
    prometheus::MetricFamily family;
    std::optional<double> began_unix_s;  // of its counters
};

std::vector<MachineFamily> machine_families(const Machine& machine);

}  // namespace bulkhead::runtime
