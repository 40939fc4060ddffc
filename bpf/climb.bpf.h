/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A step from a dentry towards the root of its super block. By address and not typed, so that it is
 * the body of a bpf_loop(): the verifier looks at one step, not at as many as a path may have.
 */
#ifndef BULKHEAD_CLIMB_BPF_H
#define BULKHEAD_CLIMB_BPF_H

#include "bpf/kernel.bpf.h"

#define BH_DENTRY_BYTES 128 /* of struct dentry: more than lie before the end of its name */

/* A field of a dentry whose first bytes were read to `head`. */
#define bh_head_field(head, type, field)                                                           \
	(*(type *)((head) + bpf_core_field_offset(struct dentry, field)))

enum bh_climbed {
	BH_CLIMB_FAILED = -1, /* it cannot be read, or is not connected to the root */
	BH_CLIMB_ROOT, /* it is the root */
	BH_CLIMB_NAME, /* it has a name in its parent */
};

static __always_inline int bh_climb_step(__u64 address, __u8 *head, __u64 *parent)
{
	struct dentry *dentry = (struct dentry *)address;

	if (bpf_probe_read_kernel(head, BH_DENTRY_BYTES, dentry))
		return BH_CLIMB_FAILED;
	*parent = bh_head_field(head, __u64, d_parent);
	if (*parent != address)
		return BH_CLIMB_NAME;
	return dentry == BPF_CORE_READ(dentry, d_sb, s_root) ? BH_CLIMB_ROOT : BH_CLIMB_FAILED;
}

#endif
