// The links that pins hold: what has to be gone from the kernel before a program that decided by
// them decides no more.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

struct HeldLink {
    __u32 id = 0;
    UniqueFd fd;
};

// The one of this pin; none: there is no such link.
std::optional<HeldLink> hold_link(const std::string& pin);

// Those pinned now.
std::vector<HeldLink> hold_pinned_links();

// Once their pins are removed: lets go of the links and returns when the kernel has dropped them.
// ETIMEDOUT when one is still there after a minute: somebody else holds it.
Status drop(std::vector<HeldLink> links);

}  // namespace bulkhead::loader
