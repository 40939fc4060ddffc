// Changing what an environment may do while it runs.
#pragma once

#include <cstdint>
#include <string>

#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/policy/policy.h"

namespace bulkhead::runtime {

// Rules whose times are those of an environment that starts now.
loader::Rules started_now(loader::Rules rules);

// Publishes another policy for a running environment, atomically, and keeps its text; returns the
// generation. `source` is the profile or file that it came from. When it fails, the old policy
// holds, entire.
Result<std::uint32_t> apply_policy(const std::string& name, policy::Policy policy,
                                   const std::string& source);

// Changes classes and mode and nothing else; the mode `learn` comes and goes by publishing the
// policy once more.
Status change_policy(const std::string& name, const loader::ControlChange& change);

}  // namespace bulkhead::runtime
