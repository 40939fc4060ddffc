/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules of an environment say on an address, for the hooks of sockets and for the filter
 * of packets.
 */
#ifndef BULKHEAD_EGRESS_BPF_H
#define BULKHEAD_EGRESS_BPF_H

#include "bpf/refuse.bpf.h"
#include "bpf/decide_network.h"

static __always_inline struct bh_route *bh_route_of(struct bh_subject *subject,
						    struct bh_endpoint *to)
{
	struct bh_route_key key = {
		.prefix_bits = BH_ROUTE_FIXED_BITS + 128,
		.label = subject->label,
		.generation = BH_CONTROL_GENERATION(subject->control),
	};

	__builtin_memcpy(key.address, to->address, sizeof(key.address));
	return bpf_map_lookup_elem(&bh_routes, &key);
}

/* The verdict of the rules; what no row and no entry gives is refused. */
static __noinline int bh_judge(struct bh_subject *subject, struct bh_endpoint *to)
{
	struct bh_route *route;

	if (!subject || !to)
		return BH_VERDICT_REFUSE;
	to->rule = 0;
	route = bh_route_of(subject, to);
	if (!route) {
		/* The rows go after the control word: it may name another generation by now. */
		bh_subject_resolve(subject);
		if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
			return BH_VERDICT_ALLOW;
		route = bh_route_of(subject, to);
	}
	if (!route)
		return BH_VERDICT_REFUSE;
	return bh_port_verdict(route->ports, BH_MAX_ROUTE_PORTS, to);
}

/*
 * True for the TCP end of a connection that the other end began: such a sock notes the interface
 * that the first packet came by where others keep the one for multicast, which cannot be set on
 * a stream.
 */
static __always_inline bool bh_is_accepted(struct inet_sock *inet)
{
	return BPF_CORE_READ(inet, mc_index) ||
	       (BPF_CORE_READ(inet, sk.__sk_common.skc_family) == BH_AF_INET6 &&
		BPF_CORE_READ(inet, pinet6, mcast_oif));
}

#endif
