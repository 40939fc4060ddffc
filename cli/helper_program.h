// Programs that bulkhead becomes for single commands, so that its own start stays cheap.
#pragma once

#include <string>

namespace bulkhead::cli {

// The path of `name`: beside this program in the build folder, in libexec when installed.
std::string helper_program(const std::string& name);

}  // namespace bulkhead::cli
