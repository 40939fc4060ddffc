// The last steps of a new process before it is the payload's, after it carries its label: from
// here on the fence is closed, also around us.
#pragma once

#include "runtime/channel.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Before the label is on: dropping takes a capability that the policy may not keep.
bool drop_bounding_set();

// Session keyring, capabilities, user, working directory, then execve(2); with
// InitKind::kReaper the command runs as a child and this process stays as its init. Returns only
// when a step failed.
Report become_payload(const ProcessSpec& process, const std::string& hostname);

// The exit code of run and exec for a failed step: 126, 127, or 125 when it was ours.
int exit_code_of(const Report& report);

}  // namespace bulkhead::runtime
