// Other limits for an environment that runs.
#pragma once

#include <string>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::runtime {

struct Limits;

// Gives it those of `wanted` that are there, live and for its next life; the others stay. Of what
// is kNoLimit there is none any more. kUsage: a limit that a plan moves, or less memory than is
// in use; kFailed: a guarantee that cannot be kept. After an error nothing has changed.
Status set_limits_of(const std::string& name, const Limits& wanted);

// Those of an adopted environment's cgroup are whose the cgroup is. kUsage.
Status refuse_limits_of_adopted(const bh_environment& record);

}  // namespace bulkhead::runtime
