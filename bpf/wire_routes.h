/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about addresses: what the rules of [network] say of each. Included by
 * wire.h.
 */
#ifndef BULKHEAD_WIRE_ROUTES_H
#define BULKHEAD_WIRE_ROUTES_H

#define BH_MAX_ROUTE_ROWS 32768 /* of all environments' policies */
#define BH_ROUTE_LEVELS 4 /* of rows that lead to others, at most; with that of what holds */
#define BH_ROUTES_IN_ROW 64 /* a power of 2 */
#define BH_PORTS_IN_ROW 104 /* with what the kernel adds a row is below 2 KiB */
#define BH_MAX_ROUTE_PORTS 8

/* In network order, as two numbers. IPv4 as v4-mapped IPv6. */
struct bh_address {
	__u64 high;
	__u64 low;
};

/* Key of bh_routes. Row 0 is the first to be asked. */
struct bh_route_key {
	struct bh_label label;
	__u32 generation;
	__u32 row;
};
BH_ASSERT_SIZE(struct bh_route_key, 16);

/*
 * Value of bh_routes: each entry is about the addresses from its own to that of the next, in this
 * row or after. In one with `beneath` the row of the entry n is beneath + n, and says more. Else
 * the ports[] from first[n] to first[n + 1] are what holds, at most BH_MAX_ROUTE_PORTS: the first
 * that fits decides; what none fits is refused. The first entry of row 0 is about address 0.
 */
struct bh_route_row {
	struct bh_address from[BH_ROUTES_IN_ROW]; /* ascending; behind `count` all ones */
	struct bh_port_rule ports[BH_PORTS_IN_ROW];
	__u8 first[BH_ROUTES_IN_ROW + 1];
	__u8 pad[3];
	__u32 count; /* of entries */
	__u32 beneath;
	__u32 rows; /* of the whole tree; in row 0 */
};
BH_ASSERT_SIZE(struct bh_route_row, 1936);

#endif
