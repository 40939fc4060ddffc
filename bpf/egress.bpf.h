/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules of an environment say on an address, and how much went by each, for the hooks of
 * sockets and for the filter of packets.
 */
#ifndef BULKHEAD_EGRESS_BPF_H
#define BULKHEAD_EGRESS_BPF_H

#include "bpf/peers.bpf.h"
#include "bpf/decide_network.h"

/*
 * What the policy of {slot, serial} says by name of the environment that has the socket there;
 * BH_VERDICT_NONE: nothing, or that environment ended. Its name is read before its serial.
 *
 * Global like the next ones, so that the verifier looks at it once in a program.
 */
__weak __noinline int bh_named_verdict(struct bh_endpoint *to, __u32 slot, __u32 serial,
				       __u32 generation)
{
	struct bh_peer_key key = {
		.policy = { .label = { slot, serial }, .generation = generation },
	};
	struct bh_environment *other;
	struct bh_peer *row;

	if (!to)
		return BH_VERDICT_NONE;
	other = bh_living(to->owner);
	if (!other)
		return BH_VERDICT_NONE;
	__builtin_memcpy(key.name, other->name, sizeof(key.name));
	barrier();
	if (*(volatile __u32 *)&other->serial != to->owner.serial)
		return BH_VERDICT_NONE;
	row = bpf_map_lookup_elem(&bh_peers, &key);
	return row ? bh_fitting_verdict(row->ports, BH_MAX_PEER_PORTS, to) : BH_VERDICT_NONE;
}

__weak __noinline int bh_search_row(struct bh_route_row *row, struct bh_address *address)
{
	return row && address ? bh_route_at(row, address) : 0;
}

/* Beginning with row 0. What no row says is refused. */
__weak __noinline int bh_search_routes(struct bh_endpoint *to, __u32 slot, __u32 serial,
				       __u32 generation)
{
	struct bh_route_key key = { .label = { slot, serial }, .generation = generation };
	struct bh_address address;
	int level;

	if (!to)
		return BH_VERDICT_REFUSE;
	address = bh_address_of(to->address);
	for (level = 0; level < BH_ROUTE_LEVELS; level++) {
		struct bh_route_row *row = bpf_map_lookup_elem(&bh_routes, &key);
		__u32 at;

		if (!row)
			break;
		at = bh_search_row(row, &address);
		if (!row->beneath)
			return bh_route_verdict(row, at, to);
		key.row = row->beneath + at;
	}
	return BH_VERDICT_REFUSE;
}

static __always_inline int bh_verdict_now(struct bh_subject *subject, struct bh_endpoint *to)
{
	__u32 slot = subject->label.slot, serial = subject->label.serial;
	__u32 generation = BH_CONTROL_GENERATION(subject->control);
	int verdict = BH_VERDICT_NONE;

	if (to->owner.serial)
		verdict = bh_named_verdict(to, slot, serial, generation);
	return verdict == BH_VERDICT_NONE ? bh_search_routes(to, slot, serial, generation)
					  : verdict;
}

/*
 * The verdict of one policy entire, by the name before the address; what no row and no entry gives
 * is refused. Leaves in `to` what a refusal is recorded with.
 */
static __noinline int bh_judge(struct bh_subject *subject, struct bh_endpoint *to)
{
	int i;

	if (!subject || !to)
		return BH_VERDICT_REFUSE;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		int verdict;

		if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
			return BH_VERDICT_ALLOW;
		to->rule = 0;
		verdict = bh_verdict_now(subject, to);
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

static __always_inline struct bh_rule_use *bh_counted_use(struct bh_rule_key *key, __u32 rule)
{
	struct bh_rule_uses *uses;
	__u32 index = rule % BH_RULES_IN_ROW;

	key->row = rule / BH_RULES_IN_ROW;
	uses = bpf_map_lookup_elem(&bh_rule_use, key);
	return uses && uses->counted >> index & 1 ? &uses->of[index] : NULL;
}

/* NULL: the policy has no rules on addresses, or another one is published by now. */
static __always_inline struct bh_rule_use *bh_use_of_rule(const struct bh_subject *subject,
							  __u32 rule)
{
	struct bh_rule_key key = {
		.label = subject->label,
		.generation = BH_CONTROL_GENERATION(subject->control),
	};
	struct bh_rule_use *use = bh_counted_use(&key, rule);

	return use ? use : bh_counted_use(&key, BH_RULE_OTHERS);
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
