// For what a test says that fails.
#pragma once

#include <ostream>

#include "runtime/json.h"

namespace bulkhead {

inline void PrintTo(const Json& json, std::ostream* out) {
    *out << json.compact();
}

}  // namespace bulkhead
