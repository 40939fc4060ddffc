#include "loader/peer_rules.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loader/map_view.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

using Peers = MapView<bh_peer_key, bh_peer>;

Result<Peers> open_peers() {
    return open_pinned_map<bh_peer_key, bh_peer>("bh_peers");
}

bh_peer_key key_of(bh_label label, __u32 generation, const std::string& name) {
    bh_peer_key key{};
    key.policy = {label, generation, 0};
    std::memcpy(key.name, name.data(), name.size());
    return key;
}

// By it the others of its generation are found again.
bh_peer_key first_key(bh_label label, __u32 generation) {
    return key_of(label, generation, "");
}

bool is_of(const bh_policy_key& key, bh_label label) {
    return key.label.slot == label.slot && key.label.serial == label.serial;
}

template <typename Matches>
Status drop_rows(const Peers& peers, Matches matches) {
    std::vector<bh_peer_key> keys, last;
    BULKHEAD_TRY(peers.for_each_key([&](const bh_peer_key& key) {
        if (matches(key.policy))
            (key.name[0] != 0 ? keys : last).push_back(key);
    }));
    keys.insert(keys.end(), last.begin(), last.end());
    return peers.erase_all(keys);
}

}  // namespace

Status put_peers(bh_label label, __u32 generation, const std::vector<PeerRow>& rows) {
    if (rows.empty())
        return {};
    std::vector<bh_peer_key> keys = {first_key(label, generation)};
    std::vector<bh_peer> values(1);
    for (const PeerRow& row : rows) {
        if (row.name.empty() || row.name.size() >= BH_NAME_BYTES)
            return fail(Error(EINVAL, "an environment's name has 1 to 63 bytes"));
        keys.push_back(key_of(label, generation, row.name));
        bh_peer& value = values.emplace_back();
        value.acts = row.acts;
        std::copy(row.ports.begin(), row.ports.end(), value.ports);
    }
    BULKHEAD_TRY_VALUE(peers, open_peers());
    std::size_t written = 0;
    auto put = peers.put_all(keys, values, written);
    if (!put) {
        keys.resize(written);
        BULKHEAD_TRY(peers.erase_all(keys));
    }
    return put;
}

Status drop_peers(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(peers, open_peers());
    BULKHEAD_TRY_VALUE(first, peers.find(first_key(label, generation)));
    if (!first)
        return {};
    return drop_rows(peers, [&](const bh_policy_key& key) {
        return is_of(key, label) && key.generation == generation;
    });
}

Status drop_other_peers(bh_label label, __u32 kept) {
    BULKHEAD_TRY_VALUE(peers, open_peers());
    return drop_rows(peers, [&](const bh_policy_key& key) {
        return is_of(key, label) && key.generation != kept;
    });
}

}  // namespace bulkhead::loader
