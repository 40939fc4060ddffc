// How often the kernel ran each of our programs, and for how long.
#pragma once

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct ProgramStats {
    std::string name;
    // Counted only while the kernel's statistics are on: they cost every run two clock readings.
    __u64 runs = 0;
    __u64 run_ns = 0;
    // Runs that the kernel left out, as the program was running on that CPU already. Always
    // counted.
    __u64 skipped = 0;
};

// Of the programs that pins hold, in the order of their names. Empty when nothing is loaded.
Result<std::vector<ProgramStats>> read_program_stats();

// Whether kernel.bpf_stats_enabled is on. Whoever holds a descriptor of BPF_ENABLE_STATS turns them
// on too, which does not show there.
bool program_stats_are_on();

}  // namespace bulkhead::loader
