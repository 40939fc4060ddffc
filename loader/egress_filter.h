// The filter of an environment's packets: there as long as its control word refuses EGRESS.
#pragma once

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Before `control` is stored: a word that refuses EGRESS holds for packets from its first instant.
Status prepare_egress_filter(bh_label label, __u64 cgroup_id, __u64 control);

// After `control` took the place of `before`, or with 0 for an environment that leaves.
Status settle_egress_filter(bh_label label, __u64 before, __u64 control);

}  // namespace bulkhead::loader
