// Signals as people name them.
#pragma once

#include <string_view>

#include "loader/result.h"

namespace bulkhead::runtime {

// "TERM", "SIGTERM", "15", "RTMIN+3", "SIGRTMIN+3". kUsage.
Result<int> parse_signal(std::string_view text);

}  // namespace bulkhead::runtime
