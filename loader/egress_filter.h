// The programs on an environment's cgroup: the filter of its packets is there as long as its
// control word refuses EGRESS, and those that ask for names while its policy has some besides.
#pragma once

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Before `control` is stored: a word that refuses EGRESS holds for packets from its first instant.
// `flags` of the record, that of names among them.
Status prepare_egress_filter(bh_label label, __u64 cgroup_id, __u64 control, __u32 flags);

// After `control` took the place of `before`, or with 0 for an environment that leaves.
Status settle_egress_filter(bh_label label, __u64 before, __u64 control);

// After the flag of names was cleared.
Status detach_names(bh_label label);

}  // namespace bulkhead::loader
