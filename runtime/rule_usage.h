// What went by each rule of an environment's [network]: of the policy that is published, since it
// is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/result.h"
#include "runtime/json.h"

namespace bulkhead::runtime {

struct RuleUsage {
    std::uint32_t rule = 0;  // its number in the policy; 0 where `text` says what it is instead
    std::string text;        // "web.toml:3:9: [network] allow \"10.0.0.0/8\""
    std::uint64_t sent_bytes = 0;
    std::uint64_t sent_packets = 0;
    std::uint64_t connects = 0;  // streams that were let through
    std::uint64_t refused = 0;   // as `why` counts them; those of a rule to drop, too
    std::uint64_t audited = 0;   // would have been refused
    std::uint64_t dropped_packets = 0;
};

struct NetworkUsage {
    std::uint32_t generation = 0;  // of the policy
    std::vector<RuleUsage> rules;  // empty: it has no rules on addresses
};

// ENOENT: no environment has this name, or nothing is loaded.
Result<NetworkUsage> read_rule_usage(const std::string& name);

Json to_json(const NetworkUsage& usage);

// For people: a line per rule.
std::string to_text(const NetworkUsage& usage);

}  // namespace bulkhead::runtime
