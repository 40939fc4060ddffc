// The attached programs, taken over from their pins, so that each can be attached alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::bench {

struct HookProgram {
    std::string name;  // "bh_task_kill"
    std::string hook;  // "task_kill"
    std::uint32_t type = 0;
    std::uint32_t attach_type = 0;
    std::uint32_t attach_btf_id = 0;
    UniqueFd fd;
};

// Drops the pinned links: from then on no program is attached, but all are still loaded.
Result<std::vector<HookProgram>> detach_all();

// loader::unload(), and no program is attached any more when it returns.
Status unload_and_detach();

// Links, each as long as its descriptor is open.
using Attached = std::vector<UniqueFd>;

// These programs on their hooks, and no others.
Result<Attached> attach_all(const std::vector<const HookProgram*>& programs);
// A program that only returns 0 on the same hook.
Result<Attached> attach_empty(const HookProgram& program);

}  // namespace bulkhead::bench
