// The groups of checks that diagnose() is made of, and how a trial becomes a row.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "runtime/doctor.h"

namespace bulkhead::runtime {

using Checks = std::vector<Check>;

// A row from the outcome of a trial. `proof`: what was tried, shown when it worked. A remedy that
// the error itself carries is kept, otherwise `remedy` is shown.
struct Trial {
    std::string name;
    Need need;
    std::string proof;
    std::string remedy;
};
Check conclude(std::string_view group, Trial trial, const Status& outcome);

Checks check_kernel();
Checks check_programs();  // the fence by control class, and the meters that are programs
Checks check_protection();
Checks check_limits();
Checks check_beancounters();
Checks check_namespaces();
Checks check_mounts();
Checks check_pressure();

}  // namespace bulkhead::runtime
