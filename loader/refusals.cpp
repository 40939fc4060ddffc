#include "loader/refusals.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

Result<MapView<bh_refusal_key, bh_refusal>> open_refusals() {
    return open_pinned_map<bh_refusal_key, bh_refusal>("bh_refusals");
}

__u64 rows(__u64 recorded) {
    return std::min<__u64>(recorded, BH_MAX_REFUSALS);
}

bool is_same(const bh_refusal& a, const bh_refusal& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

// The kernel gives a row's memory to another row while somebody copies it: what reads the same
// twice is whole. None: there is none, or it changes faster than it can be read.
Result<std::optional<bh_refusal>> read_whole(const MapView<bh_refusal_key, bh_refusal>& map,
                                             const bh_refusal_key& key) {
    constexpr int kMostReads = 16;
    BULKHEAD_TRY_VALUE(before, map.find(key));
    for (int reads = 1; before && reads < kMostReads; ++reads) {
        BULKHEAD_TRY_VALUE(now, map.find(key));
        if (now && is_same(*before, *now))
            return now;
        before = now;
    }
    return std::optional<bh_refusal>{};
}

}  // namespace

Result<std::vector<bh_refusal>> read_refusals(bh_label label, __u64 recorded) {
    BULKHEAD_TRY_VALUE(map, open_refusals());
    std::vector<bh_refusal> found;
    for (__u64 index = 0; index < rows(recorded); ++index) {
        BULKHEAD_TRY_VALUE(row, read_whole(map, bh_refusal_key{label, index}));
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
