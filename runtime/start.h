// Starting an environment: from a specification to its first process, labelled and executing.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "loader/environments.h"
#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"
#include "runtime/store.h"

namespace bulkhead::runtime {

// First host id of the environments' ranges: above what systemd-nspawn (up to 0x6fffffff) and
// useradd(8) (subuid(5), from 100000) hand out; all ranges end below 2^31.
inline constexpr std::uint32_t kFirstUid = 0x70000000;
inline constexpr std::uint32_t kUidsEach = 65536;

// An environment whose first process executes. Holding it is minding it: its state directory
// stays locked.
struct Started {
    loader::Environments environments;
    StateDirectory directory;
    EnvironmentState state;
    UniqueFd pidfd;
    UniqueFd terminal;  // the master, when the specification wants one
};

// What kept the payload from executing, beside the error itself.
struct StartFailure {
    Error error;
    int exit_code;  // 125, 126 or 127
};

// Loads the programs when they are not loaded. On failure nothing is left behind: no cgroup,
// mount, namespace, row or file.
tl::expected<Started, StartFailure> start(const EnvironmentSpec& spec, const Stdio& stdio);

// Opens the kernel's records, loading the programs first when they are not there.
Result<loader::Environments> open_or_load();

// Takes a slot for `name`, as Environments::reserve(): where the programs were unloaded since
// `environments` was opened, loads them again and opens it anew.
Result<bh_label> reserve_or_load(loader::Environments& environments, const std::string& name);

// CLOCK_BOOTTIME.
std::uint64_t boot_time_ns();

}  // namespace bulkhead::runtime
