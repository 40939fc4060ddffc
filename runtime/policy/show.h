// A policy for people to read.
#pragma once

#include <string>

#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// TOML without `extends` that says the same as the policy with all that it extends. Behind each
// line, as a comment, stands the file and line that it comes from.
std::string effective_text(const Policy& policy);

// One section of it, without the mode `learn`; "" when it says nothing.
std::string section_text(const Policy& policy, Section section);

// The lines of one key; "" when it is not said.
std::string key_text(const Policy& policy, Key key);

}  // namespace bulkhead::policy
