// What is adopted: a cgroup, named by its path, by a process in it, or by a unit of the service
// manager; and what the processes in it share.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::runtime {

// The path below the hierarchy's root ("/system.slice/nginx.service") of "/a/path" (with or without
// the mount point in front), of a process id, or of a unit's name. kUsage, with what to say
// instead: nothing or several fit, it is the root, holds the caller, or holds environments of ours.
Result<std::string> resolve_target(const std::string& target);

// All processes in the cgroup and below it.
Result<std::vector<pid_t>> processes_in(const std::string& cgroup);

// Fills in what the record says of the processes' namespaces and super blocks. EXDEV: they do not
// share one mount and one network namespace.
Status describe_processes(const std::vector<pid_t>& pids, bh_environment& record);

}  // namespace bulkhead::runtime
