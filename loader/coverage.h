// Which hooks carry which control class: what doctor shows, and what `--best-effort` has to name
// when a program is missing.
#pragma once

#include <string_view>
#include <vector>

#include "bpf/wire.h"

namespace bulkhead::loader {

// The hooks whose programs decide by `class_id`, in the order of BH_HOOKS.
std::vector<bh_hook> hooks_of(bh_class class_id);

// False for a class that policies can name and nothing enforces: asking for it is refused.
bool is_enforced(bh_class class_id);

// The hook of an ELF section such as "lsm/task_kill" or "lsm.s/bpf"; BH_HOOK_COUNT: not a hook.
bh_hook hook_of_section(std::string_view section);

}  // namespace bulkhead::loader
