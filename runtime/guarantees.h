// Guarantees: memory that the kernel does not take from an environment (memory.min), or takes last
// (memory.low). What all environments are guaranteed must be there.
#pragma once

#include <cstdint>

#include "loader/result.h"

namespace bulkhead::runtime {

class Cgroup;
struct Limits;

// What all environments together are guaranteed.
struct Guaranteed {
    std::uint64_t min_bytes = 0;
    std::uint64_t low_bytes = 0;
};

// kFailed, with what there is, when `total` of memory cannot keep `others` and this: a tenth of it
// is the machine's own.
Status check_guarantees(const Limits& limits, const Guaranteed& others, std::uint64_t total);

// Of an environment that starts or runs: checked, and given to its cgroup and, as the kernel gives
// a cgroup no more than the one above has, to that of all.
Status guarantee(const Cgroup& cgroup, const Limits& limits);

// When one is gone: what is above guarantees no more than those that are left. Costs a look where
// nobody is guaranteed anything.
void settle_guarantees();

}  // namespace bulkhead::runtime
