// The rows of other environments that a policy names, in [ipc] and [network], and for what.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct PeerRow {
    std::string name;  // of the other environment, which need not live
    __u32 acts = 0;    // bh_peer_act
    std::array<bh_port_rule, BH_MAX_PEER_PORTS> ports{};  // by which it is reached or not
};

// Puts the rows of a generation that is not published yet. After an error none of them is left;
// E2BIG: the map is full.
Status put_peers(bh_label label, __u32 generation, const std::vector<PeerRow>& rows);

// Takes away the rows of a generation that were written entire. Without rows: nothing.
Status drop_peers(bh_label label, __u32 generation);

// Takes away the rows of all generations but `kept`, whatever of them is there.
Status drop_other_peers(bh_label label, __u32 kept);

}  // namespace bulkhead::loader
