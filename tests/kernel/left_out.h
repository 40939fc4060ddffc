// Each program left out once: what proves that a case notices it. One load for all of them.
#pragma once

#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::tests {

// For each program: takes it out, runs the cases that prove it, in a process of their own, until
// one fails, and puts it back; at the end runs those that failed with all programs attached. Leaves
// in `directory` what they said (PROGRAM.output, all.output) and their exit status (….status, as a
// shell has it).
// A program without a case, or that this kernel does not have, leaves nothing.
Status leave_out_each(const std::vector<std::string>& programs, const std::string& directory);

// The one that is left out now, for cases that attach programs themselves; "" for none.
const std::string& program_left_out();

}  // namespace bulkhead::tests
