#include "cli/outcome.h"

#include <cstdio>

#include "runtime/json.h"

namespace bulkhead::cli {

void print_outcome(const std::string& name, const char* outcome) {
    std::puts(Json{{"name", name}, {"outcome", outcome}}.compact().c_str());
}

}  // namespace bulkhead::cli
