// Programs that only some policies need: on their hooks while an environment's control word refuses
// one of their classes, or its record has one of their flags, so that without such a policy nothing
// runs them.
#pragma once

#include <string_view>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"

namespace bulkhead::loader {

// False: load() attaches the program.
bool is_on_demand(std::string_view program);

// Flags of an environment's record that its policy sets to have programs.
inline constexpr __u32 kDemandFlags = BH_ENV_REVOKES | BH_ENV_IOCTLS | BH_ENV_NAMES;

// What programs on demand are asked for by: classes in `control`, and of `flags`, as the record of
// an environment has them, those that a policy sets.
__u64 demand_of(__u64 control, __u32 flags);

// True when a program on demand is needed.
bool needs_on_demand(__u64 demand);

// Puts a pinned program on its hook and pins the link, unless one is there. Under lock_pins().
Status attach_pinned(std::string_view program);

// Before a control word is stored: what it refuses is refused from its first instant. Under
// lock_pins().
Status attach_on_demand(__u64 demand);

// After a control word gave way: detaches what no environment needs but, perhaps, the one of the
// label `leaving`. Under lock_pins().
Status settle_on_demand(const Environments& environments, bh_label leaving = {});

}  // namespace bulkhead::loader
