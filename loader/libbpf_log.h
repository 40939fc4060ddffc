// libbpf's own messages, kept for the error instead of printed.
#pragma once

#include <string>

namespace bulkhead::loader {

// From here on libbpf prints nothing; what it says is kept. Forgets what was kept before.
void keep_libbpf_log();

// The last lines: the verifier's verdict stands there.
std::string libbpf_log_tail();

}  // namespace bulkhead::loader
