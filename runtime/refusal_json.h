// A refusal as JSON: of `why`, and of `events`.
#pragma once

#include <string>

#include "runtime/json.h"
#include "runtime/refusal_report.h"

namespace bulkhead::runtime {

Json to_json(const std::string& environment, const ExplainedRefusal& refusal);

// The name of the task that was refused.
std::string comm_of(const bh_refusal& refusal);

}  // namespace bulkhead::runtime
