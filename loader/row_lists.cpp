#include "loader/row_lists.h"

#include <algorithm>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

std::vector<bh_rows_key> parts_of(const bh_policy_key& policy, bh_rows_of map, __u32 parts) {
    std::vector<bh_rows_key> keys;
    for (__u32 part = 0; part < parts; ++part)
        keys.push_back({policy, map, part});
    return keys;
}

}  // namespace

Result<RowLists> open_row_lists() {
    return open_pinned_map<bh_rows_key, bh_rows>("bh_rows");
}

Status put_row_list(const RowLists& lists, const bh_policy_key& policy, bh_rows_of map,
                    std::span<const std::byte> keys, std::size_t key_bytes) {
    const std::size_t bytes_in_part = BH_ROWS_BYTES / key_bytes * key_bytes;
    std::vector<bh_rows> values((keys.size() + bytes_in_part - 1) / bytes_in_part);
    for (bh_rows& value : values) {
        const auto some = keys.first(std::min(keys.size(), bytes_in_part));
        value.parts = static_cast<__u32>(values.size());
        value.count = static_cast<__u32>(some.size() / key_bytes);
        std::memcpy(value.keys, some.data(), some.size());
        keys = keys.subspan(some.size());
    }
    auto parts = parts_of(policy, map, static_cast<__u32>(values.size()));
    std::size_t written = 0;
    auto put = lists.put_all(parts, values, written);
    if (!put) {
        parts.resize(written);
        BULKHEAD_TRY(lists.erase_all(parts));
    }
    return put;
}

Result<std::vector<std::byte>> read_row_list(const RowLists& lists, const bh_policy_key& policy,
                                             bh_rows_of map, std::size_t key_bytes) {
    std::vector<std::byte> keys;
    __u32 parts = 1;
    for (__u32 part = 0; part < parts; ++part) {
        BULKHEAD_TRY_VALUE(value, lists.find({policy, map, part}));
        if (!value)
            break;
        const auto* bytes = reinterpret_cast<const std::byte*>(value->keys);
        keys.insert(keys.end(), bytes,
                    bytes + std::min<std::size_t>(value->count * key_bytes, BH_ROWS_BYTES));
        parts = value->parts;
    }
    return keys;
}

Status drop_row_list(const RowLists& lists, const bh_policy_key& policy, bh_rows_of map) {
    BULKHEAD_TRY_VALUE(first, lists.find({policy, map, 0}));
    return first ? lists.erase_all(parts_of(policy, map, first->parts)) : Status{};
}

Status drop_other_row_lists(bh_label label, __u32 kept) {
    BULKHEAD_TRY_VALUE(lists, open_row_lists());
    std::vector<bh_rows_key> others;
    BULKHEAD_TRY(lists.for_each_key([&](const bh_rows_key& key) {
        if (key.policy.label.slot == label.slot && key.policy.label.serial == label.serial &&
            key.policy.generation != kept)
            others.push_back(key);
    }));
    return lists.erase_all(others);
}

}  // namespace bulkhead::loader
