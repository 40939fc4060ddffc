// The links that pins hold, by id: what has to be gone from the kernel before a program that
// decided by them decides no more. The kernel drops a link some time after its last pin.
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Those pinned now.
std::vector<__u32> pinned_link_ids();

// ETIMEDOUT when one is still in the kernel after ten seconds: somebody else holds it.
Status wait_until_dropped(const std::vector<__u32>& link_ids);

}  // namespace bulkhead::loader
