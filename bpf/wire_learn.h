/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about learning: what was done, of which a policy is written.
 * Included by wire.h.
 */
#ifndef BULKHEAD_WIRE_LEARN_H
#define BULKHEAD_WIRE_LEARN_H

#define BH_MAX_LEARNED 65536 /* acts of all environments that learn */
#define BH_MAX_LEARNED_EACH 16384 /* of one of them */
#define BH_LEARNED_BYTES 960 /* of a path */
#define BH_MAX_LEARNED_DEPTH 64 /* names in a path */

enum bh_learned_kind {
	BH_LEARNED_CLASS, /* an act of the class, whatever its object */
	/* object: hash of the path and its super block; access: bh_right or bh_file_access */
	BH_LEARNED_FILE,
	BH_LEARNED_MOVE, /* object: object[0] of the two files, from and to */
	BH_LEARNED_ADDRESS, /* object: the address; access: protocol << 16 | port */
	BH_LEARNED_PORT, /* access: protocol << 16 | port */
	BH_LEARNED_CAPABILITY, /* object: its number, and the depth of the user namespace */
};

/* Key of bh_learned: what tells one act from another. */
struct bh_learned_key {
	struct bh_label label;
	__u64 object[2];
	__u32 access;
	__u16 hook;
	__u8 class_id;
	__u8 kind; /* bh_learned_kind */
};
BH_ASSERT_SIZE(struct bh_learned_key, 32);

/* Beside bh_refusal_flags. */
enum bh_learned_flags {
	BH_LEARNED_LINKED = 1 << 16, /* the file has several names */
};

/* Value of bh_learned: how often, and the object as it was the first time. */
struct bh_learned {
	__u64 count;
	__u64 object[4]; /* as in bh_refusal */
	__u32 flags; /* bh_refusal_flags, where INTERNAL is: no path; bh_learned_flags */
	__u32 text_bytes;
	/* A path's names from the leaf up, each with its terminator; without the root's. */
	char text[BH_LEARNED_BYTES];
};
BH_ASSERT_SIZE(struct bh_learned, 1008);

#endif
