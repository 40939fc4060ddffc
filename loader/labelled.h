// Whether anybody still carries a label: what has to be known before the programs that look at
// labels are taken out.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "loader/result.h"

namespace bulkhead::loader {

struct LabelledTask {
    pid_t process;
    std::string command;  // what is not printable as '?': it is its own choice
};

// A living task that carries a label. None: there is none, and nobody is left who could make one;
// that is proved only under lock_pins() while no environment is published. EPERM: it is asked from
// a PID namespace that does not have all tasks.
Result<std::optional<LabelledTask>> find_labelled();

}  // namespace bulkhead::loader
