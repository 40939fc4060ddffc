// Readings to compare: what the meters say and what the kernel's own cgroup files say.
#pragma once

#include <cstdint>
#include <string>

#include "loader/meters.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

// One pass over all environments; the reading of `environment`. Fails the test, and returns a
// reading of zeros, when the pass did not meet it.
loader::MeterReading read_meters(const BareEnvironment& environment);

// The number after `key` in a flat keyed file such as cpu.stat, or the whole file's number when
// the key is empty. Fails the test and returns 0 when it is not there.
std::uint64_t cgroup_number(const BareEnvironment& environment, const std::string& file,
                            const std::string& key = "");

// The sum of `key` over all devices of io.stat.
std::uint64_t io_number(const BareEnvironment& environment, const std::string& key);

// The content of a file of the environment's cgroup.
std::string cgroup_text(const BareEnvironment& environment, const std::string& file);

// Keeps a CPU busy until the process has used so much CPU time.
void burn_cpu_ms(long milliseconds);

}  // namespace bulkhead::tests
