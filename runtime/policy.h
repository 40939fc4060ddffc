// A policy as far as there is one: the mode and the classes that are allowed.
//
//   mode = "audit"
//   allow = ["bpf", "perf"]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::runtime {

// The control word of a profile ("default", "audit") or, when `name` has a '/' or ends in .toml,
// of a file. kUsage with file and line for what is wrong in it.
Result<std::uint64_t> load_policy(const std::string& name);

// By the name that wire.h gives it; kUsage with the list of names.
Result<bh_class> parse_class(std::string_view name);
Result<bh_mode> parse_mode(std::string_view name);

const char* mode_name(std::uint64_t control);

}  // namespace bulkhead::runtime
