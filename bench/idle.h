// What the agent costs while nobody asks it anything.
#pragma once

#include <string>

#include "bench/figures.h"

namespace bulkhead::bench {

// Adds "agent.idle": the CPU time of all threads of `bulkhead agent` in a second, in nanoseconds,
// with the programs loaded and the environments that are there.
Status measure_idle_agent(const std::string& bulkhead, Figures& figures);

}  // namespace bulkhead::bench
