// Acts between two environments that both of their policies could allow.
#pragma once

#include <string>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "runtime/policy/policy.h"

namespace bulkhead::runtime {

// What is missing for a refused act on another living environment: `[ipc] signal = ["db"] in the
// policy of web, and [ipc] signal = ["web"] in the policy of db`, or one of the two. `name`: who
// acted; `policy`: by which one that was refused, or nullptr. "" for acts that no consent allows.
std::string missing_consent(const bh_refusal& refusal, const std::string& name,
                            const policy::Policy* policy, const loader::Environments& environments);

}  // namespace bulkhead::runtime
