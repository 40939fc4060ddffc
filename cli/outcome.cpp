#include "cli/outcome.h"

#include <cstdio>

#include <nlohmann/json.hpp>

namespace bulkhead::cli {

void print_outcome(const std::string& name, const char* outcome) {
    std::puts(nlohmann::json{{"name", name}, {"outcome", outcome}}.dump().c_str());
}

}  // namespace bulkhead::cli
