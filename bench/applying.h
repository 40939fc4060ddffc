// What it costs to publish a policy for an environment that runs, from before the spawn of
// `bulkhead policy apply` to after the wait, in the place of one that is as large.
#pragma once

#include <string>

#include "bench/figures.h"

namespace bulkhead::bench {

// Loads the programs and takes them out again. Adds, for 100 and for 10,000 rules:
//   apply.paths_COUNT, apply.networks_COUNT
//   steps.apply_paths_100.STEP, steps.apply_networks_100.STEP (bench/timeline.h)
Status measure_applying(const std::string& bulkhead, Figures& figures);

}  // namespace bulkhead::bench
