/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about [network]: what was let through and refused by each of its
 * rules, and whom a socket reached. Included by wire.h.
 */
#ifndef BULKHEAD_WIRE_NETWORK_H
#define BULKHEAD_WIRE_NETWORK_H

#define BH_MAX_RULE_USES 65536 /* rows of all environments' policies */
#define BH_MAX_COUNTED_RULES 256 /* of one policy, each apart; the others are counted together */

/* In the place of a rule's number. 0: what no rule says, when the policy names no default. */
#define BH_RULE_OTHERS 0xfffffffe /* rules that are not counted apart */
#define BH_RULE_ANSWERS 0xffffffff /* on accepted connections, where no rule allows */

/*
 * Key of bh_rule_use: rules have a row together, by their numbers in the policy of this generation.
 * That of rule 0 is always there.
 */
#define BH_RULES_IN_ROW 16
struct bh_rule_key {
	struct bh_label label;
	__u32 generation;
	__u32 row; /* number / BH_RULES_IN_ROW */
};
BH_ASSERT_SIZE(struct bh_rule_key, 16);

/* What went by one rule. */
struct bh_rule_use {
	__u64 bytes; /* of packets that left, as the IP layer has them */
	__u64 packets;
	__u64 connects; /* connect(2) of a stream that was let through */
	__u64 refused; /* what is in bh_state.refused of EGRESS, too */
	__u64 audited; /* would have been refused */
	__u64 dropped; /* packets that vanished */
};
BH_ASSERT_SIZE(struct bh_rule_use, 48);

/*
 * Value of bh_rule_use. User space makes the rows of a generation before it is published, and links
 * them: from rule 0's by `next`. From then on programs count in them.
 */
struct bh_rule_uses {
	struct bh_rule_use of[BH_RULES_IN_ROW];
	__u32 counted; /* which of them, a bit each; the others are in BH_RULE_OTHERS */
	__u32 next; /* row; 0: the last */
};
BH_ASSERT_SIZE(struct bh_rule_uses, 776);

/* The text of a refusal on an address. */
struct bh_reached_text {
	__u8 address[16]; /* as bh_route_key has it */
	char name[BH_NAME_BYTES]; /* of the environment whose socket is there; "": none is known */
};
BH_ASSERT_SIZE(struct bh_reached_text, 80);

/*
 * Value of bh_reaches (socket storage), of a socket whose acts are decided by the names of
 * environments: what one hook leaves for the next.
 */
struct bh_reach {
	struct bh_label peer; /* whose a stream is connected to; serial 0: no environment's */
	__u64 exec; /* number of the exec whose task asked last; 0: none */
	__u32 flags; /* bh_reach_flags */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_reach, 24);

enum bh_reach_flags {
	BH_REACH_ASKED = 1 << 0, /* connect() left the decision to the program of the cgroup */
	BH_REACH_KNOWN = 1 << 1, /* `peer` was looked for */
};

#endif
