// Where a start spends its time: each instruction goes to the task that ran it and the system call
// it was in.
#pragma once

#include "bench/figures.h"
#include "bench/process.h"

namespace bulkhead::bench {

// Adds steps.NAME.STEP for every kind of step, and steps.NAME.total, of one run of `command`.
// Watching makes each system call dearer by some hundred instructions: the parts are to be compared
// with each other, not with start.NAME.
Status measure_steps(const std::string& name, const Command& command, Figures& figures);

}  // namespace bulkhead::bench
