/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a hook asks for a verdict on.
 */
#ifndef BULKHEAD_REQUEST_BPF_H
#define BULKHEAD_REQUEST_BPF_H

#include "bpf/identity.bpf.h"

/*
 * A flag of a request beside bh_refusal_flags: rule and audit are those of the rows that decided.
 * Without it bh_decide() reads them.
 */
#define BH_REQUEST_SETTLED (1 << 7)

/*
 * What is asked and of what. `values` by bh_object_kind.
 *
 * Functions that take it alone are global, so that the verifier looks at them once in a program and
 * not again on each way there. They take all that is in it for numbers, and all of its memory has
 * to be written: no padding.
 */
struct bh_request {
	__u16 hook;
	__u8 class_id;
	__u8 flags; /* bh_refusal_flags, BH_REQUEST_SETTLED */
	__s32 error; /* set by bh_decide() */
	__u32 object_kind;
	__u32 name_bytes; /* of `name` when it is not terminated; 0: it is */
	__u32 rule; /* number of the rule that decided; 0: looked up by class */
	__u32 peer_act; /* bh_peer_act, asked by bh_decide_on_peer(); 0: nobody can consent */
	struct bh_label reached; /* whose socket is at the address in `name`; serial 0: unknown */
	struct bh_label label; /* by bh_sign(), like control; serial 0: the record is gone */
	__u64 control;
	__u64 values[4];
	struct dentry *path; /* walked into the text, leaf first; or NULL */
	const char *name; /* kernel string copied into the text; or NULL */
};

/* Whose request it is, and by which word it is decided. */
static __always_inline void bh_sign(const struct bh_subject *subject, struct bh_request *request)
{
	if (subject->env)
		request->label = subject->label;
	request->control = subject->control;
}

#endif
