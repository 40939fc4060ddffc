// Writing the policy that an environment learned.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "loader/environments.h"
#include "loader/result.h"
#include "loader/rules.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

struct LearnedPolicy {
    std::string text;
    std::uint64_t lost = 0;  // acts that could not be kept: the text says so too
};

// For rules that learn: keeps, beside the environment's state, how a process of it sees its files.
// What is learned is named by that, also after the environment has ended.
Status note_root(const std::string& name, pid_t process, const loader::Rules& rules);

// Of a running environment, or of one that has ended and was kept. ENOENT: it did not learn.
Result<LearnedPolicy> learned_policy(const std::string& name);

// Writes it to a file that must be no link.
Status write_learned(const LearnedPolicy& learned, const std::string& path);

// At the end, where the specification wants it.
Status store_learned(const loader::Environments& environments, const EnvironmentSpec& spec);

}  // namespace bulkhead::runtime
