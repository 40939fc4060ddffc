// What the agent says while it serves. spdlog stays behind log.cpp.
#pragma once

#include <string>

namespace bulkhead::runtime::agent {

// From now on on standard error, in the name of the program.
void log_to_stderr(const char* program);

void log_info(const std::string& what);
void log_error(const std::string& what);

}  // namespace bulkhead::runtime::agent
