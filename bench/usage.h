// What it costs to know what a thousand environments use.
#pragma once

#include <string>

#include "bench/figures.h"

namespace bulkhead::bench {

inline constexpr int kMeteredEnvironments = 1000;

// Loads the programs and takes them out again. Adds, for all of kMeteredEnvironments together:
//   usage.pass             one pass of the kernel program over them
//   usage.files            opening, reading and closing the cgroup files that hold the same
//   usage.files_kept_open  reading these files again with their descriptors kept
// and what measure_idle_agent adds while they are there.
Status measure_usage(const std::string& bulkhead, Figures& figures);

}  // namespace bulkhead::bench
