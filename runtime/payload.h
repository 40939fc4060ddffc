// The last steps of a new process before it is the payload's, after it carries its label: from
// here on the fence is closed, also around us.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "runtime/channel.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// A bit each: what root inside has at most. Those that every environment has, as a policy may come
// to give them while it runs, and those that its first one keeps.
std::uint64_t capabilities_of(const loader::Rules& rules);

// Those of a process that runs inside. Without them those that every environment has.
std::uint64_t capabilities_of(pid_t process);

// Before the label is on: dropping takes a capability that the policy may not keep.
bool drop_bounding_set(std::uint64_t kept);

// Session keyring, capabilities, user, working directory, then execve(2); with
// InitKind::kReaper the command runs as a child and this process stays as its init. Returns only
// when a step failed.
Report become_payload(const ProcessSpec& process, std::uint64_t capabilities,
                      const std::string& hostname);

// The exit code of run and exec for a failed step: 126, 127, or 125 when it was ours.
int exit_code_of(const Report& report);

}  // namespace bulkhead::runtime
