// Limits on the command line of `run` and `set`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "loader/result.h"
#include "runtime/cgroup.h"

namespace bulkhead::cli {

// As they were typed; empty: not given.
struct LimitOptions {
    std::string memory, memory_min, memory_low, swap, cpus;
    std::optional<std::uint64_t> cpu_weight, io_weight, pids;
};

// Whether "unlimited" takes away the limit of memory, swap or CPU time (runtime::kNoLimit).
enum class Lifting { kRefused, kTaken };

// kUsage, naming what is wrong.
Result<runtime::Limits> limits_of(const LimitOptions& options, Lifting lifting);

}  // namespace bulkhead::cli
