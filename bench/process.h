// Running programs to their end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::bench {

using Command = std::vector<std::string>;

// Runs `command` and waits for it. Its output goes to ours. Anything but exit status 0 is an error.
Status run(const Command& command);

// The same, and what it cost from before the spawn to after the wait.
Result<std::int64_t> time_of(const Command& command);

// Its standard output.
Result<std::string> output_of(const std::string& shell_command);

}  // namespace bulkhead::bench
