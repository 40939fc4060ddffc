// What would have to stand in a policy for a refused act to be allowed.
#pragma once

#include <string>

#include "bpf/wire.h"

namespace bulkhead::runtime {

// "[files] read = [\"/etc/ssl\"]", "[kernel] bpf = \"allow\"", "allow = [\"mounts\"]"; "" for what
// no policy can give.
std::string suggest(const bh_refusal& refusal);

}  // namespace bulkhead::runtime
