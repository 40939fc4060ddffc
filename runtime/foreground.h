// An environment that a command minds from its start to its end.
#pragma once

#include "loader/result.h"
#include "runtime/start.h"
#include "runtime/supervise.h"

namespace bulkhead::runtime {

// Until its first process has ended and nothing runs in it: writes the receipt, removes what is
// to be removed. Returns the payload's exit code.
Result<int> mind_until_end(Started started, const BlockedSignals& signals);

}  // namespace bulkhead::runtime
