// Where the agent listens on the host, told to the fence: no environment may talk to it.
#pragma once

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// ENOENT: nothing is loaded, so there is nobody to be told.
Status announce_agent_port(__u32 port);

// Takes it back, unless another agent has announced its own since.
Status withdraw_agent_port(__u32 port);

}  // namespace bulkhead::loader
