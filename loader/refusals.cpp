#include "loader/refusals.h"

#include <algorithm>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

Result<MapView<bh_refusal_key, bh_refusal>> open_refusals() {
    return open_pinned_map<bh_refusal_key, bh_refusal>("bh_refusals");
}

__u64 rows(__u64 recorded) {
    return std::min<__u64>(recorded, BH_MAX_REFUSALS);
}

}  // namespace

Result<std::vector<bh_refusal>> read_refusals(bh_label label, __u64 recorded) {
    BULKHEAD_TRY_VALUE(map, open_refusals());
    std::vector<bh_refusal> found;
    for (__u64 index = 0; index < rows(recorded); ++index) {
        BULKHEAD_TRY_VALUE(row, map.find(bh_refusal_key{label, index}));
        if (row && row->sequence != 0)
            found.push_back(*row);
    }
    std::sort(found.begin(), found.end(),
              [](const bh_refusal& a, const bh_refusal& b) { return a.sequence < b.sequence; });
    return found;
}

Status forget_refusals(bh_label label, __u64 recorded) {
    if (recorded == 0)
        return {};
    BULKHEAD_TRY_VALUE(map, open_refusals());
    for (__u64 index = 0; index < rows(recorded); ++index)
        BULKHEAD_TRY(map.erase(bh_refusal_key{label, index}));
    return {};
}

}  // namespace bulkhead::loader
