/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a pass over all tasks writes: a row for each that lives and carries a label. */
#ifndef BULKHEAD_WIRE_LABELLED_H
#define BULKHEAD_WIRE_LABELLED_H

#include "bpf/wire.h"

struct bh_labelled {
	struct bh_label label;
	__u32 pid; /* of its process; 0: who reads is in a PID namespace, and sees that one only */
	char comm[16];
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_labelled, 32);

#endif
