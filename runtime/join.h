// A further process in an environment that runs.
#pragma once

#include <cstdint>
#include <string>

#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"
#include "runtime/start.h"

namespace bulkhead::runtime {

struct Joined {
    std::uint64_t exec = 0;  // its number, for finish_exec()
    UniqueFd pidfd;
    UniqueFd terminal;  // the master, when the process wants one
};

// Starts `process` in the namespaces and the cgroup of `name`, with its label. What it uses, and
// all that comes of it, goes to `receipt_path`, if there is one, when the last of it is gone.
tl::expected<Joined, StartFailure> join(const std::string& name, const ProcessSpec& process,
                                        const Stdio& stdio, const std::string& receipt_path);

}  // namespace bulkhead::runtime
