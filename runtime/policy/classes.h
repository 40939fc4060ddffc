// Classes and modes by name, as policies and commands have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::policy {

std::optional<bh_class> find_class(std::string_view name);
std::vector<std::string_view> class_names();

// kUsage with the list of names, and the nearest.
Result<bh_class> parse_class(std::string_view name);
Result<bh_mode> parse_mode(std::string_view name);

const char* mode_name(std::uint64_t control);

}  // namespace bulkhead::policy
