// A further process in an environment that runs.
#pragma once

#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"
#include "runtime/start.h"

namespace bulkhead::runtime {

struct Joined {
    UniqueFd pidfd;
    UniqueFd terminal;  // the master, when the process wants one
};

// Starts `process` in the namespaces and the cgroup of `name`, with its label.
tl::expected<Joined, StartFailure> join(const std::string& name, const ProcessSpec& process,
                                        const Stdio& stdio);

}  // namespace bulkhead::runtime
