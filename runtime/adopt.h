// Fencing and metering what runs already: a service of the machine, another engine's container.
#pragma once

#include <cstdint>
#include <string>

#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

struct AdoptSpec {
    std::string target;  // see resolve_target()
    std::string name;    // empty: the last component of the cgroup's path
    PolicySpec policy;
};

// Makes an environment of all tasks in a cgroup and of whatever enters it later; returns its
// name. All of it or nothing.
Result<std::string> adopt(const AdoptSpec& spec);

// Takes the fence and the meters off again; the processes go on. kUsage: it was not adopted.
Status release(const std::string& name);

// Removes what is left of an adopted environment whose cgroup is gone. True: it was.
Result<bool> sweep_adopted(loader::Environments& environments, bh_label label,
                           const bh_environment& record);

}  // namespace bulkhead::runtime
