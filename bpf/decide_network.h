/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on the network: what the entries of a route or of the ports that may be served
 * say. Compiles as C for the programs and as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_NETWORK_H
#define BULKHEAD_DECIDE_NETWORK_H

#include "bpf/decide.h"

/* The other end, or the own one when a port is served. */
struct bh_endpoint {
	__u8 address[16]; /* IPv4 as v4-mapped IPv6 */
	__u16 port; /* host byte order; 0: the protocol has none */
	__u8 protocol; /* TCP for MPTCP */
	__u8 flags; /* the programs': of the refusal, if it is one */
	__u32 rule; /* number of the rule that decided; 0: none did */
	struct bh_label owner; /* the environment whose socket is there; serial 0: none is known */
};

BH_PURE __u8 bh_rule_protocol(__u32 protocol)
{
	if (protocol == BH_IPPROTO_MPTCP)
		return BH_IPPROTO_TCP;
	return protocol & 0xff;
}

BH_PURE int bh_protocol_has_ports(__u8 protocol)
{
	return protocol == BH_IPPROTO_TCP || protocol == BH_IPPROTO_UDP;
}

/* `v4` in network byte order. */
BH_PURE void bh_map_v4(__u8 *address, __u32 v4)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, &v4, sizeof(v4));
}

/*
 * A socket that is told to reach the unspecified address reaches the loopback one. (One that is
 * bound to an address reaches that; the packet tells.)
 */
BH_PURE void bh_map_unspecified(__u8 *address)
{
	__u64 high, low;

	__builtin_memcpy(&high, address, sizeof(high));
	__builtin_memcpy(&low, address + 8, sizeof(low));
	if (high)
		return;
	if (!low)
		address[15] = 1;
	else if (address[10] == 0xff && address[11] == 0xff && !address[12] && !address[13] &&
		 !address[14] && !address[15])
		address[12] = 127, address[15] = 1;
}

/* The kernel finds sockets by address for these, so that names of environments hold for them. */
BH_PURE int bh_protocol_has_names(__u32 protocol)
{
	return protocol == BH_IPPROTO_TCP || protocol == BH_IPPROTO_UDP;
}

/* As which family packets to `address` leave. */
BH_PURE enum bh_family bh_family_of_address(const __u8 *address)
{
	__u64 high;
	__u32 middle;

	__builtin_memcpy(&high, address, sizeof(high));
	__builtin_memcpy(&middle, address + 8, sizeof(middle));
	if (!high && middle == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xffff0000 : 0xffff))
		return BH_FAMILY_IPV4;
	return BH_FAMILY_IPV6;
}

/* 127.0.0.0/8 and ::1, which are the machine's own in every network namespace. */
BH_PURE int bh_is_loopback(const __u8 *address)
{
	__u64 high, low;

	if (bh_family_of_address(address) == BH_FAMILY_IPV4)
		return address[12] == 127;
	__builtin_memcpy(&high, address, sizeof(high));
	__builtin_memcpy(&low, address + 8, sizeof(low));
	return !high && low == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1ULL << 56 : 1);
}

/* A group's address, where many may listen. */
BH_PURE int bh_is_multicast(const __u8 *address)
{
	if (bh_family_of_address(address) == BH_FAMILY_IPV4)
		return address[12] >= 224;
	return address[0] == 0xff;
}

BH_PURE int bh_port_rule_fits(const struct bh_port_rule *entry, const struct bh_endpoint *end)
{
	return (!entry->protocol || entry->protocol == end->protocol) &&
	       entry->first <= end->port && end->port <= entry->last;
}

/* The first entry that fits decides; BH_VERDICT_NONE when none does. Says which in `end`. */
BH_PURE int bh_fitting_verdict(const struct bh_port_rule *entries, __u32 count,
			       struct bh_endpoint *end)
{
	__u32 i;

	for (i = 0; i < count && entries[i].verdict != BH_VERDICT_NONE; i++) {
		if (!bh_port_rule_fits(&entries[i], end))
			continue;
		end->rule = entries[i].rule;
		return entries[i].verdict;
	}
	return BH_VERDICT_NONE;
}

/* Likewise, and what no entry fits is refused. */
BH_PURE int bh_port_verdict(const struct bh_port_rule *entries, __u32 count,
			    struct bh_endpoint *end)
{
	int verdict = bh_fitting_verdict(entries, count, end);

	return verdict == BH_VERDICT_NONE ? BH_VERDICT_REFUSE : verdict;
}

/* In the order of addresses. */
BH_PURE struct bh_address bh_address_of(const __u8 *bytes)
{
	struct bh_address address;

	__builtin_memcpy(&address, bytes, sizeof(address));
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
		address.high = __builtin_bswap64(address.high);
		address.low = __builtin_bswap64(address.low);
	}
	return address;
}

BH_PURE int bh_is_from(const struct bh_address *from, const struct bh_address *address)
{
	return from->high < address->high ||
	       (from->high == address->high && from->low <= address->low);
}

/* The last entry of a row that begins at or before `address`; the first is taken to. */
BH_PURE __u32 bh_route_at(const struct bh_route_row *row, const struct bh_address *address)
{
	__u32 at = 0, step;

	for (step = BH_ROUTES_IN_ROW / 2; step; step /= 2) {
		if (bh_is_from(&row->from[at + step], address))
			at += step;
	}
	/* At the last address of all, what lies behind the entries is found. */
	return (at < row->count ? at : row->count - 1) % BH_ROUTES_IN_ROW;
}

/* What the entry `at` of a row without others beneath it says. */
BH_PURE int bh_route_verdict(const struct bh_route_row *row, __u32 at, struct bh_endpoint *end)
{
	__u32 first = row->first[at % BH_ROUTES_IN_ROW];
	__u32 last = row->first[at % BH_ROUTES_IN_ROW + 1];

	/* Never, as rows are written; so the verifier sees that no entry lies behind the row. */
	if (first > BH_PORTS_IN_ROW - BH_MAX_ROUTE_PORTS)
		first = BH_PORTS_IN_ROW - BH_MAX_ROUTE_PORTS;
	return bh_port_verdict(
		row->ports + first,
		last - first < BH_MAX_ROUTE_PORTS ? last - first : BH_MAX_ROUTE_PORTS, end);
}

/* Whether `end`, the own end of a socket, may be served. */
BH_PURE int bh_listen_verdict(const struct bh_policy *policy, struct bh_endpoint *end)
{
	__u32 count = policy->listen_count;

	return bh_port_verdict(policy->listen, count < BH_MAX_LISTEN ? count : BH_MAX_LISTEN, end);
}

#endif
