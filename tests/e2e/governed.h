// What an agent did to an environment, and the row that it goes by.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "loader/governed.h"
#include "loader/result.h"

namespace bulkhead::tests {

// Below the environments' parent, without the last newline.
std::string cgroup_file(const std::string& path);

// Of the journal, in their order.
std::vector<nlohmann::json> events(const std::string& name, const std::string& event);

// While it lives no agent acts.
Result<loader::GovernedRow> governed_row(const std::string& name);

}  // namespace bulkhead::tests
