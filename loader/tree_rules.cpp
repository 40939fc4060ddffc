#include "loader/tree_rules.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "loader/map_view.h"
#include "loader/pins.h"
#include "loader/row_lists.h"

namespace bulkhead::loader {
namespace {

using Nodes = MapView<bh_node_key, bh_node>;
using Roots = MapView<bh_root_key, bh_node>;

Result<bh_name_key> read_name_key() {
    auto map = open_pinned_map<__u32, bh_name_key>("bh_name_key");
    if (!map)
        return fail(std::move(map).error());
    BULKHEAD_TRY_VALUE(key, map->find(0));
    return key ? *key : bh_name_key{};
}

bh_node_key key_of(const bh_policy_key& policy, const PlacedNode& node, const bh_name_key& hash) {
    std::array<__u32, BH_NAME_WORDS> words{};
    std::memcpy(words.data(), node.name.data(),
                std::min<std::size_t>(node.name.size(), BH_COMPONENT_BYTES - 1));
    bh_node_key key{policy, {}, node.parent + 1, static_cast<__u32>(node.name.size())};
    bh_hash_name(words.data(), key.bytes, hash.words, key.hash);
    return key;
}

// What the kernel has of each node: its number is 0 where nothing lies beneath.
std::vector<bh_node> rows_of(const PlacedTree& tree) {
    std::vector<bh_node> rows;
    rows.reserve(tree.nodes.size());
    for (const PlacedNode& node : tree.nodes)
        rows.push_back({0, node.rule, node.rights, node.flags});
    for (std::uint32_t i = 0; i < tree.nodes.size(); ++i) {
        const std::uint32_t parent = tree.nodes[i].parent;
        if (parent != i)
            rows[parent].node = parent + 1;
    }
    return rows;
}

Result<Nodes> open_nodes() {
    return open_pinned_map<bh_node_key, bh_node>("bh_nodes");
}

Result<Roots> open_roots() {
    return open_pinned_map<bh_root_key, bh_node>("bh_roots");
}

Status put_nodes(const RowLists& lists, const bh_policy_key& policy, const PlacedTree& tree,
                 const std::vector<bh_node>& rows) {
    BULKHEAD_TRY_VALUE(hash, read_name_key());
    BULKHEAD_TRY_VALUE(nodes, open_nodes());
    std::vector<bh_node_key> keys;
    std::vector<bh_node> values;
    keys.reserve(rows.size());
    values.reserve(rows.size());
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
        if (tree.nodes[i].parent == i)
            continue;
        keys.push_back(key_of(policy, tree.nodes[i], hash));
        values.push_back(rows[i]);
    }
    return put_listed(nodes, lists, policy, BH_ROWS_OF_NODES, std::move(keys), values);
}

Status put_roots(const RowLists& lists, const bh_policy_key& policy, const PlacedTree& tree,
                 const std::vector<bh_node>& rows) {
    BULKHEAD_TRY_VALUE(roots, open_roots());
    std::vector<bh_root_key> keys;
    std::vector<bh_node> values;
    for (const PlacedRoot& root : tree.roots) {
        keys.push_back({policy, root.dev, 0});
        values.push_back(rows[root.node]);
    }
    return put_listed(roots, lists, policy, BH_ROWS_OF_ROOTS, std::move(keys), values);
}

template <typename Map, typename Matches>
Status drop_rows(const Map& map, Matches matches) {
    using Key = typename Map::KeyType;
    std::vector<Key> keys;
    BULKHEAD_TRY(map.for_each_key([&](const Key& key) {
        if (matches(key.policy))
            keys.push_back(key);
    }));
    return map.erase_all(keys);
}

}  // namespace

Status put_tree(bh_label label, __u32 generation, const PlacedTree& tree) {
    const bh_policy_key policy{label, generation, 0};
    const std::vector<bh_node> rows = rows_of(tree);
    BULKHEAD_TRY_VALUE(lists, open_row_lists());
    BULKHEAD_TRY(put_nodes(lists, policy, tree, rows));
    auto put = put_roots(lists, policy, tree, rows);
    if (!put)
        BULKHEAD_TRY(drop_tree(label, generation));
    return put;
}

Result<bool> has_tree(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(roots, open_roots());
    BULKHEAD_TRY_VALUE(row, roots.find({{label, generation, 0}, 0, 0}));
    return row.has_value();
}

Status drop_tree(bh_label label, __u32 generation) {
    const bh_policy_key policy{label, generation, 0};
    BULKHEAD_TRY_VALUE(lists, open_row_lists());
    BULKHEAD_TRY(drop_listed(open_nodes, lists, policy, BH_ROWS_OF_NODES));
    return drop_listed(open_roots, lists, policy, BH_ROWS_OF_ROOTS);
}

Status drop_other_trees(bh_label label, __u32 kept) {
    const auto is_other = [&](const bh_policy_key& key) {
        return key.label.slot == label.slot && key.label.serial == label.serial &&
               key.generation != kept;
    };
    BULKHEAD_TRY_VALUE(nodes, open_nodes());
    BULKHEAD_TRY(drop_rows(nodes, is_other));
    BULKHEAD_TRY_VALUE(roots, open_roots());
    return drop_rows(roots, is_other);
}

// Early in a boot the kernel may have too little randomness for anything but GRND_INSECURE.
Status seed_names(int name_key_map) {
    bh_name_key key{};
    if (::getrandom(&key, sizeof key, GRND_NONBLOCK) != sizeof key &&
        ::getrandom(&key, sizeof key, GRND_INSECURE) != sizeof key)
        return fail_errno("choose what names are hashed with");
    const __u32 zero = 0;
    if (bpf_map_update_elem(name_key_map, &zero, &key, BPF_ANY) != 0)
        return fail_errno("write bh_name_key");
    return {};
}

}  // namespace bulkhead::loader
