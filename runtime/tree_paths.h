// The rules of [files] for one environment: its paths, found in its own table of mounts.
#pragma once

#include <sys/types.h>

#include <vector>

#include "loader/result.h"
#include "loader/rules.h"
#include "runtime/policy/mistakes.h"

namespace bulkhead::runtime {

// Fills rules.places as a process of the environment sees its paths, its root being ready. Without
// rules of [files]: nothing. `sources` are the texts of the policy: errors name the place there.
// kUsage: a path too deep, or a file with several names; or its classes are asked for and the
// policy has no such rules.
Status place_rules(loader::Rules& rules, pid_t process, const std::vector<policy::Source>& sources);

}  // namespace bulkhead::runtime
