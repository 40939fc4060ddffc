/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules of an environment say on an address, and how much went by each, for the hooks of
 * sockets and for the filter of packets.
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

/*
 * The verdict of one policy entire; what no row and no entry gives is refused. Leaves in `to` what
 * a refusal is recorded with.
 */
static __noinline int bh_judge(struct bh_subject *subject, struct bh_endpoint *to)
{
	int i;

	if (!subject || !to)
		return BH_VERDICT_REFUSE;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_route *route;
		int verdict = BH_VERDICT_REFUSE;

		if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
			return BH_VERDICT_ALLOW;
		to->rule = 0;
		route = bh_route_of(subject, to);
		if (route)
			verdict = bh_port_verdict(route->ports, BH_MAX_ROUTE_PORTS, to);
		if (verdict != BH_VERDICT_ALLOW)
			to->flags = bh_settle(subject, BH_CLASS_EGRESS, &to->rule);
		if (bh_is_current(subject))
			return verdict;
		bh_subject_resolve(subject);
	}
	to->rule = 0;
	to->flags = BH_REQUEST_SETTLED | BH_REFUSAL_INTERNAL;
	return BH_VERDICT_REFUSE;
}

/* NULL: the policy has no rules on addresses, or another one is published by now. */
static __always_inline struct bh_rule_use *bh_use_of_rule(const struct bh_subject *subject,
							  __u32 rule)
{
	struct bh_rule_key key = {
		.label = subject->label,
		.generation = BH_CONTROL_GENERATION(subject->control),
		.rule = rule,
	};
	struct bh_rule_use *use = bpf_map_lookup_elem(&bh_rule_use, &key);

	if (use)
		return use;
	key.rule = BH_RULE_OTHERS;
	return bpf_map_lookup_elem(&bh_rule_use, &key);
}

/* What EGRESS refused, or by `flags` of the refusal only recorded. */
static __always_inline void bh_count_unreached(struct bh_subject *subject, __u32 rule, __u8 flags,
					       enum bh_family family)
{
	struct bh_rule_use *use = bh_use_of_rule(subject, rule);

	if (flags & BH_REFUSAL_LEARNED)
		return;
	if (use)
		__sync_fetch_and_add(flags & BH_REFUSAL_AUDITED ? &use->audited : &use->refused, 1);
	if (subject->state && !(flags & BH_REFUSAL_AUDITED))
		__sync_fetch_and_add(&subject->state->counts.unreached[family], 1);
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
