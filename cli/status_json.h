// An environment's status as JSON and as text: what `list` and `status` print.
#pragma once

#include <string>
#include <vector>

#include "runtime/json.h"
#include "runtime/life.h"

namespace bulkhead::cli {

Json status_to_json(const runtime::EnvironmentStatus& status);
// Several lines, "key: value".
std::string status_to_text(const runtime::EnvironmentStatus& status);
std::string joined(const std::vector<std::string>& words, const char* separator);

}  // namespace bulkhead::cli
