/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of [files] ask about a dentry, and how they refuse it.
 */
#ifndef BULKHEAD_TREE_ASK_BPF_H
#define BULKHEAD_TREE_ASK_BPF_H

#include "bpf/tree.bpf.h"

#define EXDEV 18

/* What holds at a dentry; `is_node`: it is the path of a node itself. */
struct bh_found {
	struct bh_node node;
	bool is_node;
};

/* What is asked of a dentry. */
struct bh_ask {
	__u16 hook;
	__u16 error; /* what refuses it: EPERM, EXDEV */
	__u32 rights;
	__u32 node_flags; /* asked only where the node has all of them; 0: everywhere */
};

static __noinline int bh_refuse_path(struct bh_subject *subject, struct dentry *dentry,
				     struct bh_ask *ask, struct bh_found *found)
{
	struct inode *inode = dentry->d_inode;
	struct bh_request request = {
		.hook = ask->hook,
		.class_id = bh_class_of_rights(subject->control, ask->rights),
		.flags = found ? 0 : BH_REFUSAL_INTERNAL,
		.object_kind = BH_OBJECT_FILE,
		.rule = found ? found->node.rule : 0,
		.values = { dentry->d_sb->s_dev, 0, 0, ask->rights },
		.path = dentry,
	};

	/* Typed, it may be NULL from 6.17 on only: tested once. */
	if (inode) {
		request.values[1] = inode->i_ino;
		request.values[2] = inode->i_mode;
	}
	if (ask->error == EXDEV)
		return bh_decide(subject, &request, -EXDEV);
	return bh_decide(subject, &request, -EPERM);
}

#define BH_TREE_CLASSES (1ULL << BH_CLASS_PATHS | 1ULL << BH_CLASS_EXECUTION)

/* True when the rules of [files] are asked about what the current task does. */
static __always_inline bool bh_subject_has_tree(struct bh_subject *subject)
{
	return bh_subject_current(subject) && subject->control & BH_TREE_CLASSES;
}

#endif
