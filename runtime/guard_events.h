// What the guard of our own objects refused to tasks of the host, as `bulkhead events` tells it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/json.h"

namespace bulkhead::runtime {

class GuardEvents {
public:
    // Those since the last call; the first time all that are kept.
    std::vector<Json> next();

private:
    std::uint64_t seen_ = 0;
};

}  // namespace bulkhead::runtime
