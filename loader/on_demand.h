// Programs that only some policies need: on their hooks while an environment's control word refuses
// one of their classes, so that without such a policy nothing runs them.
#pragma once

#include <string_view>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"

namespace bulkhead::loader {

// False: load() attaches the program.
bool is_on_demand(std::string_view program);

// True when a program on demand decides by a class of `control`.
bool needs_on_demand(__u64 control);

// Puts a pinned program on its hook and pins the link, unless one is there. Under lock_pins().
Status attach_pinned(std::string_view program);

// Before `control` is stored: what it refuses is refused from its first instant. Under lock_pins().
Status attach_on_demand(__u64 control);

// After a control word gave way: detaches what no environment needs but, perhaps, the one of the
// label `leaving`. Under lock_pins().
Status settle_on_demand(const Environments& environments, bh_label leaving = {});

}  // namespace bulkhead::loader
