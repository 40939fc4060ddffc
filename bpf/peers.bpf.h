/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What environments do to each other by consent: where an act on another environment is about to be
 * refused, both policies are asked whether they name the other for it. Nothing else pays for that.
 */
#ifndef BULKHEAD_PEERS_BPF_H
#define BULKHEAD_PEERS_BPF_H

#include "bpf/refuse.bpf.h"

enum bh_consent {
	BH_CONSENT_MISSING,
	BH_CONSENT_GIVEN,
	BH_CONSENT_STALE, /* the other's policy was replaced meanwhile */
};

/* Whether `policy` names `other` for `act`. */
static __noinline bool bh_names_peer(struct bh_policy_key *policy, struct bh_environment *other,
				     __u32 act)
{
	struct bh_peer_key key = {};
	struct bh_peer *row;

	if (!policy || !other)
		return false;
	key.policy = *policy;
	__builtin_memcpy(key.name, other->name, sizeof(key.name));
	row = bpf_map_lookup_elem(&bh_peers, &key);
	return row && row->acts & act;
}

/* Of the two whose label and, in values[2..3], whose peer's it is. Names are read before serials.
 */
static __always_inline enum bh_consent bh_ask_consent(struct bh_request *request)
{
	struct bh_policy_key policy = {
		.label = request->label,
		.generation = BH_CONTROL_GENERATION(request->control),
	};
	struct bh_policy_key theirs = {
		.label = { .slot = request->values[2], .serial = request->values[3] },
	};
	struct bh_environment *own = bh_living(policy.label), *other = bh_living(theirs.label);
	__u32 act = request->peer_act;
	__u64 control;
	bool given;

	if (!own || !other)
		return BH_CONSENT_MISSING;
	control = *(volatile __u64 *)&other->control;
	theirs.generation = BH_CONTROL_GENERATION(control);
	given = bh_names_peer(&policy, other, act) && bh_names_peer(&theirs, own, act);
	barrier();
	if (*(volatile __u64 *)&other->control != control ||
	    *(volatile __u32 *)&other->serial != theirs.label.serial)
		return BH_CONSENT_STALE;
	return given ? BH_CONSENT_GIVEN : BH_CONSENT_MISSING;
}

/* As bh_settle_class(), of an act on another environment. False also where both consent. */
__weak __noinline int bh_settle_peer(struct bh_request *request)
{
	enum bh_consent consent;
	__u32 class_id, rule;
	__u8 flags = 0;
	int i;

	if (!request)
		return 1;
	class_id = request->class_id;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		rule = request->rule;
		if (!BH_CONTROL_REFUSES(request->control, class_id & 63))
			return 0;
		consent = bh_ask_consent(request);
		flags = bh_settle_by(request->label, request->control, class_id, &rule);
		if (!bh_request_is_current(request) || consent == BH_CONSENT_STALE)
			continue;
		if (consent == BH_CONSENT_GIVEN)
			return 0;
		request->rule = rule;
		request->flags |= flags;
		return 1;
	}
	request->flags |= BH_REFUSAL_INTERNAL;
	return 1;
}

/*
 * As bh_decide(), on what values[2..3] say the owner of; serial 0: the host, which consents to
 * nothing.
 */
static __always_inline int bh_decide_on_peer(struct bh_subject *subject, struct bh_request *request,
					     int error)
{
	int refused;

	if (!BH_CONTROL_REFUSES(subject->control, request->class_id))
		return 0;
	bh_sign(subject, request);
	refused = request->peer_act && request->values[3] ? bh_settle_peer(request)
							  : bh_settle_class(request);
	return refused ? bh_account(subject, request, error) : 0;
}

#endif
