/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that no program reads: which rows the rules of a generation have. Without it
 * they would be looked for among those of all environments, bucket by bucket.
 */
#ifndef BULKHEAD_WIRE_ROWS_H
#define BULKHEAD_WIRE_ROWS_H

#include "bpf/wire.h"

/* The maps whose rows are listed. */
enum bh_rows_of {
	BH_ROWS_OF_NODES,
	BH_ROWS_OF_ROOTS,
};

/* Key of bh_rows. */
struct bh_rows_key {
	struct bh_policy_key policy;
	__u32 map; /* bh_rows_of */
	__u32 part; /* 0, 1, … */
};
BH_ASSERT_SIZE(struct bh_rows_key, 24);

#define BH_ROWS_BYTES 880 /* with what the kernel adds a row is below 1 KiB */

/* Keys of one map, one after the other. */
struct bh_rows {
	__u32 parts; /* of this map's; the same in each */
	__u32 count; /* keys in this one */
	__u8 keys[BH_ROWS_BYTES];
};
BH_ASSERT_SIZE(struct bh_rows, 888);

/* Two generations of all environments, and what has more than one part. */
#define BH_MAX_ROWS 65536

#endif
