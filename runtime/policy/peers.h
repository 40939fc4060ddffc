// Other environments that a policy names: in the lists of [ipc], of which each is for one kind of
// act, and among the addresses of [network].
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

struct PeerKey {
    Key key;
    bh_peer_act act;
    bh_class class_id;      // that refuses the act where not both policies name the other
    std::string_view name;  // of the act, as explain and diff have it
};

inline constexpr std::array kPeerKeys = {
    PeerKey{Key::kIpcSignal, BH_PEER_SIGNAL, BH_CLASS_SIGNAL, "ipc-signal"},
    PeerKey{Key::kIpcConnect, BH_PEER_CONNECT, BH_CLASS_UNIX, "ipc-connect"},
    PeerKey{Key::kIpcShareMemory, BH_PEER_SHARE_MEMORY, BH_CLASS_IPC, "ipc-share-memory"}};

// What is wrong with a text that is no environment's name, for people.
std::string wrong_name(std::string_view name);

// The row of an environment, made when it has none.
loader::PeerRow& peer_row(loader::Rules& rules, const std::string& name);
// nullptr: [network] does not name it.
const loader::PeerRow* reached_peer(const loader::Rules& rules, std::string_view name);
// Takes away what [network] says by name.
void drop_reached_peers(loader::Rules& rules);

// The number of the rule that names an environment in this list; 0: none does.
std::uint32_t naming_rule(const Policy& policy, const PeerKey& list, std::string_view name);
// All environments that a policy names.
std::vector<std::string> peers_of(const Policy& policy);

}  // namespace bulkhead::policy
