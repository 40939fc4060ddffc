// Which rows the rules of a generation have in a map that all environments share: the list by which
// they are found again. It is written before them and goes after them.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "bpf/wire_rows.h"
#include "loader/map_view.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Opened once for all that is done with the lists of a generation.
using RowLists = MapView<bh_rows_key, bh_rows>;
Result<RowLists> open_row_lists();

// The keys' bytes, one key after the other. After an error no part of the list is left; E2BIG: the
// map of lists is full.
Status put_row_list(const RowLists& lists, const bh_policy_key& policy, bh_rows_of map,
                    std::span<const std::byte> keys, std::size_t key_bytes);
// Empty when there is no list.
Result<std::vector<std::byte>> read_row_list(const RowLists& lists, const bh_policy_key& policy,
                                             bh_rows_of map, std::size_t key_bytes);
Status drop_row_list(const RowLists& lists, const bh_policy_key& policy, bh_rows_of map);

// Of all generations but `kept`, whatever of them is there. Passes over the lists of all
// environments.
Status drop_other_row_lists(bh_label label, __u32 kept);

// Rows and their list: all of them or none.
template <typename Key, typename Value>
Status put_listed(const MapView<Key, Value>& rows, const RowLists& lists,
                  const bh_policy_key& policy, bh_rows_of map, std::vector<Key> keys,
                  const std::vector<Value>& values) {
    if (keys.empty())
        return {};
    BULKHEAD_TRY(put_row_list(lists, policy, map, std::as_bytes(std::span(keys)), sizeof(Key)));
    std::size_t written = 0;
    auto put = rows.put_all(keys, values, written);
    if (!put) {
        keys.resize(written);
        BULKHEAD_TRY(rows.erase_all(keys));
        BULKHEAD_TRY(drop_row_list(lists, policy, map));
    }
    return put;
}

// Without a list: nothing, and the rows' map is not even opened.
template <typename Key, typename Value>
Status drop_listed(Result<MapView<Key, Value>> (*open_rows)(), const RowLists& lists,
                   const bh_policy_key& policy, bh_rows_of map) {
    BULKHEAD_TRY_VALUE(bytes, read_row_list(lists, policy, map, sizeof(Key)));
    if (bytes.empty())
        return {};
    std::vector<Key> keys(bytes.size() / sizeof(Key));
    std::memcpy(keys.data(), bytes.data(), keys.size() * sizeof(Key));
    BULKHEAD_TRY_VALUE(rows, open_rows());
    BULKHEAD_TRY(rows.erase_all(keys));
    return drop_row_list(lists, policy, map);
}

}  // namespace bulkhead::loader
