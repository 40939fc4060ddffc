// Where a policy refuses core dumps the kernel is told by the limit of each process: a program of
// ours sees who raises it, not who dumps. What was started here has that limit always.
#pragma once

#include <cstdint>
#include <string>

#include "loader/result.h"

namespace bulkhead::runtime {

bool refuses_core_dumps(std::uint64_t control);

// Of all processes in the cgroup (a path below the hierarchy's root), where `control` refuses it.
// A limit is not raised again when a policy allows what another refused.
Status settle_core_dumps(const std::string& cgroup, std::uint64_t control);

}  // namespace bulkhead::runtime
