#include "runtime/agent/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace bulkhead::runtime::agent {

void log_to_stderr(const char* program) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt(program));
}

void log_info(const std::string& what) {
    spdlog::info("{}", what);
}

void log_error(const std::string& what) {
    spdlog::error("{}", what);
}

}  // namespace bulkhead::runtime::agent
