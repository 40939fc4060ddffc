// What two policies decide differently.
#pragma once

#include <string>
#include <vector>

#include "runtime/policy/policy.h"

namespace bulkhead::policy {

struct Difference {
    std::string act;       // "write /srv", "connect 10.0.0.0/8:443/tcp", "class bpf", …
    std::string by_first;  // the rule that decides, "" when none is behind it
    std::string by_second;
};

struct Differences {
    std::vector<Difference> first_only;   // allowed by the first, refused by the second
    std::vector<Difference> second_only;  // the reverse
    std::vector<std::string> modes;       // "mode: enforce, audit"
    [[nodiscard]] bool empty() const {
        return first_only.empty() && second_only.empty() && modes.empty();
    }
};

Differences compare(const Policy& first, const Policy& second);

}  // namespace bulkhead::policy
