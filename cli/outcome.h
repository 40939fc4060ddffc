// What a command that changes something says with --json.
#pragma once

#include <string>

namespace bulkhead::cli {

// {"name": …, "outcome": …}
void print_outcome(const std::string& name, const char* outcome);

}  // namespace bulkhead::cli
