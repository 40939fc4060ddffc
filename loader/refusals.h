// The last refusals of an environment, as its hooks recorded them in bh_refusals.
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Oldest first, at most BH_MAX_REFUSALS. `recorded`: bh_state.refusal_count.
Result<std::vector<bh_refusal>> read_refusals(bh_label label, __u64 recorded);

// Deletes the rows of an environment that leaves.
Status forget_refusals(bh_label label, __u64 recorded);

// Names from wire.h: of a hook ("task_kill") and a class ("signal"); "?" out of range.
const char* hook_name(unsigned hook);
const char* class_name(unsigned class_id);
// What a refusal of this class protects, one phrase.
const char* class_meaning(unsigned class_id);

}  // namespace bulkhead::loader
