#include "loader/refusals.h"

#include <algorithm>
#include <array>

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

const char* hook_name(unsigned hook) {
    static constexpr std::array kNames = {
#define BH_HOOK_NAME(name) #name,
        BH_HOOKS(BH_HOOK_NAME)
#undef BH_HOOK_NAME
    };
    return hook < kNames.size() ? kNames[hook] : "?";
}

const char* class_name(unsigned class_id) {
    static constexpr std::array kNames = {
#define BH_CLASS_NAME(id, name, text) #name,
        BH_CLASSES(BH_CLASS_NAME)
#undef BH_CLASS_NAME
    };
    return class_id < kNames.size() ? kNames[class_id] : "?";
}

const char* class_meaning(unsigned class_id) {
    static constexpr std::array kMeanings = {
#define BH_CLASS_MEANING(id, name, text) text,
        BH_CLASSES(BH_CLASS_MEANING)
#undef BH_CLASS_MEANING
    };
    return class_id < kMeanings.size() ? kMeanings[class_id] : "?";
}

}  // namespace bulkhead::loader
