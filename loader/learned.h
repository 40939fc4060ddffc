// What the programs kept of environments that learn.
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct LearnedRow {
    bh_learned_key key{};
    bh_learned value{};
};

// In no order.
Result<std::vector<LearnedRow>> read_learned(bh_label label);

// `kept`: bh_state.learned, how many rows there are at most.
Status forget_learned(bh_label label, __u64 kept);

}  // namespace bulkhead::loader
