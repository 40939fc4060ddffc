// What it costs to start a static program that ends at once, from before the spawn to after the
// wait: plain, in the floor's bare set of namespaces, and by bwrap, crun, runc and bulkhead.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/figures.h"
#include "bench/process.h"

namespace bulkhead::bench {

// In this order: bulkhead comes last, as it loads the kernel programs, and the others are measured
// without these.
struct OwnPrograms {
    std::string floor;
    std::string bulkhead;
};
using NamedCommands = std::vector<std::pair<std::string, Command>>;
NamedCommands start_commands(const OwnPrograms& own);

// Adds start.NAME, and steps.NAME.STEP (bench/timeline.h).
Status measure_starts(const NamedCommands& commands, Figures& figures);

}  // namespace bulkhead::bench
