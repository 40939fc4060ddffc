// From what was done to the smallest policy, of rules that people would write, that allows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/policy/observations.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// A value of a list, and what it was generalised from: "143 files", "" for the thing itself.
struct LearnedEntry {
    std::string value;
    std::string from;
};

// [files]. Without a list of `execute` programs run where they may be read.
struct LearnedFiles {
    LearnedEntry otherwise = {"refuse", ""};
    std::vector<LearnedEntry> by_default;  // as wide as that, so that no list names them
    std::vector<LearnedEntry> read, append, write, refuse;
    std::optional<std::vector<LearnedEntry>> execute;
};

// [network]. No list: no rule can say what was done.
struct LearnedNetwork {
    std::optional<std::vector<LearnedEntry>> allow;
    std::optional<std::vector<LearnedEntry>> listen;
};

LearnedFiles generalise_files(const Observations& seen);
LearnedNetwork generalise_network(const Observations& seen);

// The policy as TOML, with a comment for what was generalised, what crosses the environment's
// border and what is missing. `learning` is the policy that learned: what its other sections say
// stays as it is.
std::string learned_text(const Observations& seen, const Policy& learning);

// What of `seen` a policy would refuse, for people; empty when it allows all of it.
std::vector<std::string> refused_of(const Observations& seen, const Policy& policy);

}  // namespace bulkhead::policy
