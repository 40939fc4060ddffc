/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules of [files] for a file that is opened or mapped. What was found for a file with one name
 * is kept on its inode: all names that it gets later come of that one, and so lie where the same
 * rights hold. (On the inode of its directory it would serve more files, but from 6.17 verifiers
 * trust no inode that is found through file->f_path.)
 */
#ifndef BULKHEAD_TREE_FILE_BPF_H
#define BULKHEAD_TREE_FILE_BPF_H

#include "bpf/tree.bpf.h"

/* A row is never changed, only replaced: whoever reads it sees it whole. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_place);
} bh_places SEC(".maps") __weak;

static __always_inline void bh_keep_name(struct bh_walk *walk, __u32 index, struct dentry *dentry)
{
	struct bh_name *name = &walk->names[index & (BH_MAX_NODE_DEPTH - 1)];

	name->sequence = dentry->d_seq.seqcount.sequence;
	name->dentry = (__u64)dentry;
	name->text = (__u64)dentry->d_name.name;
	name->bytes = dentry->d_name.len;
}

/* 0; -1: too deep, or not connected to the root. */
static __noinline int bh_walk_up(struct bh_walk *walk, struct dentry *dentry)
{
	struct dentry *parent;
	__u32 depth;

	walk->count = 0;
	for (depth = 0; depth < BH_MAX_WALK; depth++) {
		parent = dentry->d_parent;
		if (parent == dentry)
			return dentry == dentry->d_sb->s_root ? 0 : -1;
		bh_keep_name(walk, depth, dentry);
		walk->count = depth + 1;
		dentry = parent;
	}
	return -1;
}

static __noinline int bh_resolve_once(struct bh_subject *subject, struct dentry *dentry,
				      struct bh_found *found)
{
	struct bh_walk *walk = bh_begin_walk(subject);

	if (!walk || bh_walk_up(walk, dentry) || bh_find_root(walk, dentry->d_sb->s_dev))
		return -1;
	if (bh_walk_down(walk) < 0)
		return -1;
	found->node = walk->node;
	return 0;
}

/* 0, or -1: cannot be told. */
static __noinline int bh_resolve(struct bh_subject *subject, struct dentry *dentry,
				 struct bh_found *found)
{
	int attempt, error;

	for (attempt = 0; attempt < BH_MAX_ATTEMPTS && subject->env; attempt++) {
		error = bh_resolve_once(subject, dentry, found);
		if (bh_is_published(subject))
			return error;
		bh_subject_resolve(subject);
	}
	return -1;
}

/* 0 or a negative errno: whether the rules give `ask->rights` on a file. */
static __noinline int bh_check_file(struct bh_subject *subject, struct file *file,
				    struct bh_ask *ask)
{
	struct dentry *dentry = file->f_path.dentry;
	struct inode *inode = file->f_inode;
	struct bh_found found = {};
	struct bh_place place = {};
	struct bh_place *known;

	if (bh_class_of_rights(subject->control, ask->rights) < 0)
		return 0;
	bh_policy_key_of(subject, &place.policy);
	known = bpf_inode_storage_get(&bh_places, inode, NULL, 0);
	if (known && bh_label_equal(known->policy.label, place.policy.label) &&
	    known->policy.generation == place.policy.generation) {
		found.node = known->node;
	} else {
		if (bh_resolve(subject, dentry, &found))
			return bh_refuse_path(subject, dentry, ask, NULL);
		bh_policy_key_of(subject, &place.policy);
		place.node = found.node;
		if (known)
			bpf_inode_storage_delete(&bh_places, inode);
		/* Without room for it, it is found again each time. */
		if (inode->i_nlink == 1 || (inode->i_mode & S_IFMT) == S_IFDIR)
			bpf_inode_storage_get(&bh_places, inode, &place,
					      BPF_LOCAL_STORAGE_GET_F_CREATE);
	}
	if ((found.node.rights & ask->rights) == ask->rights)
		return 0;
	return bh_refuse_path(subject, dentry, ask, &found);
}

#endif
