// What an environment can be called.
#pragma once

#include <string_view>

namespace bulkhead::runtime {

inline constexpr std::string_view kNameAdvice =
    "a name has 1 to 63 letters, digits, '_', '.' or '-', and begins with a letter, a digit or "
    "'_'";

bool is_environment_name(std::string_view name);

}  // namespace bulkhead::runtime
