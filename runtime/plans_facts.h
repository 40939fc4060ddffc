// What a plan's rules look at: files of a cgroup and of /proc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/plans.h"

namespace bulkhead::runtime {

// From /proc/stat.
std::optional<CpuTimes> cpu_times_of(const std::string& stat);

// Ten seconds' mean, in percent, of `some` in a file such as memory.pressure; 0: it does not say.
double some_avg10(std::string_view pressure);

// In the unit of the resource. None: there is none, or it cannot be read.
std::optional<std::uint64_t> read_limit(const Cgroup& cgroup, bh_plan_resource resource);
std::optional<std::uint64_t> read_memory_use(const Cgroup& cgroup);

// None: it cannot be read, or has no limit that a plan could move.
std::optional<Load> read_memory_load(const Cgroup& cgroup);
// Of the time since the last look, which is noted in `plan`; none at the first.
std::optional<Load> read_cpu_load(const Cgroup& cgroup, bh_plan& plan, std::uint64_t now_ns);

// Of the machine. Nothing is spare where that cannot be read.
Spare read_spare_memory(std::uint64_t promised);
// What was idle since this process last asked; nothing at the first time.
Spare read_spare_cpus();

}  // namespace bulkhead::runtime
