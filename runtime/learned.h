// What the programs kept of an environment that learns, as it is named there.
#pragma once

#include <vector>

#include "loader/learned.h"
#include "runtime/policy/observations.h"
#include "runtime/tree_places.h"

namespace bulkhead::runtime {

// `mounts`: the environment's own. `lost`: acts of which there are no rows.
policy::Observations observe(const std::vector<loader::LearnedRow>& rows,
                             const std::vector<MountPoint>& mounts, std::uint64_t lost);

}  // namespace bulkhead::runtime
