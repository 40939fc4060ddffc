// How full the maps are that can become full.
#pragma once

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct MapFill {
    std::string map;
    __u64 rows = 0;
    __u64 room = 0;  // rows that it can have
};

// Of each map that all environments share and that has as many rows as they need. Empty when
// nothing is loaded. The kernel keeps no count of a map's rows, so they are walked: some hundred
// thousand instructions when there are few, and about a hundred for each row; not for every scrape.
Result<std::vector<MapFill>> read_map_fill();

}  // namespace bulkhead::loader
