// The policies that an environment had: their texts, kept beside its state so that a refusal can
// be explained by the file and line that were published, whatever became of the file since.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "loader/result.h"
#include "runtime/policy/policy.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Keeps the text of what `generation` enforces; the oldest of more than eight give way.
Status keep_policy(const std::string& name, std::uint32_t generation,
                   const std::vector<policy::Source>& sources);
// Of what an environment starts with; nothing is kept of the profile `default`.
Status keep_policy(const std::string& name, const PolicySpec& started_with);

// What was enforced in this generation: the last that was kept up to it, as changing a class
// changes no text. None: no text is kept, as of the profile `default`.
Result<std::optional<policy::Policy>> kept_policy(const std::string& name,
                                                  std::uint32_t generation);

// By file, by profile, or as a running environment has it; "environment:NAME" where the
// environment is named like a profile. kUsage as policy::load().
Result<policy::Policy> find_policy(const std::string& name);

}  // namespace bulkhead::runtime
