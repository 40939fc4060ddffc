#include "loader/learned.h"

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

using Learned = MapView<bh_learned_key, bh_learned>;

Result<Learned> open_learned() {
    return open_pinned_map<bh_learned_key, bh_learned>("bh_learned");
}

// Of all environments that learn, those of one.
Result<std::vector<bh_learned_key>> keys_of(const Learned& map, bh_label label) {
    std::vector<bh_learned_key> keys;
    BULKHEAD_TRY(map.for_each_key([&](const bh_learned_key& key) {
        if (key.label.slot == label.slot && key.label.serial == label.serial)
            keys.push_back(key);
    }));
    return keys;
}

}  // namespace

Result<std::vector<LearnedRow>> read_learned(bh_label label) {
    BULKHEAD_TRY_VALUE(map, open_learned());
    BULKHEAD_TRY_VALUE(keys, keys_of(map, label));
    std::vector<LearnedRow> rows;
    for (const bh_learned_key& key : keys) {
        BULKHEAD_TRY_VALUE(value, map.find(key));
        if (value)
            rows.push_back({key, *value});
    }
    return rows;
}

Status forget_learned(bh_label label, __u64 kept) {
    if (kept == 0)
        return {};
    BULKHEAD_TRY_VALUE(map, open_learned());
    BULKHEAD_TRY_VALUE(keys, keys_of(map, label));
    return map.erase_all(keys);
}

}  // namespace bulkhead::loader
