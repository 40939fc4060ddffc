// Capabilities by name, without libcap.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::policy {

// "CAP_CHOWN", "cap_chown", "chown".
std::optional<unsigned> capability_number(std::string_view name);
// "cap_chown".
std::string capability_name(unsigned number);

}  // namespace bulkhead::policy
