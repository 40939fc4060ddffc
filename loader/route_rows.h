// What the rules of a policy say of addresses, as the tree of rows that programs look in.
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// The first entry that fits decides; what none fits is refused. Entries of shorter prefixes that
// also hold are repeated here.
struct Route {
    bh_port_rule ports[BH_MAX_ROUTE_PORTS] = {};
};

// What holds for an address and all that no longer prefix covers.
struct RouteRow {
    __u8 address[16] = {};  // IPv4 as v4-mapped IPv6
    __u32 prefix_bits = 0;  // 0 to 128
    Route route{};
};

// By number. Of addresses that no prefix covers they say nothing, so that these are refused.
std::vector<bh_route_row> rows_of(std::vector<RouteRow> routes);

// Of a generation that is not published yet; without routes nothing. After an error none of the
// rows is left; E2BIG: the map is full.
Status put_routes(bh_label label, __u32 generation, const std::vector<RouteRow>& routes);

// Takes away the rows of a generation that were written entire. Without rows: nothing.
Status drop_routes(bh_label label, __u32 generation);

// Takes away the rows of all generations but `kept`, whatever of them is there.
Status drop_other_routes(bh_label label, __u32 kept);

}  // namespace bulkhead::loader
