/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules of [files] for a file that is opened or mapped. What was found for its directory is
 * kept on the inode of that: it has one name, and moves with all beneath it only to where the same
 * rights hold. From 6.17 verifiers trust no inode that is found through file->f_path: there it is
 * kept for each file with one name, as all names that it gets later come of that one.
 */
#ifndef BULKHEAD_TREE_FILE_BPF_H
#define BULKHEAD_TREE_FILE_BPF_H

#include "bpf/tree_ask.bpf.h"

/* A row is never changed, only replaced: whoever reads it sees it whole. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_place);
} bh_places SEC(".maps") __weak;

const volatile bool bh_keeps_dirs __weak = false;

static __always_inline bool bh_has_rules(struct bh_subject *subject, struct file *file)
{
	struct dentry *dentry = file->f_path.dentry;
	struct super_block *sb = dentry->d_sb;

	if (sb->s_flags & SB_NOUSER || bh_mount_is_internal(file->f_path.mnt, sb))
		return false;
	return !subject->env || !bh_is_granted(subject->env, sb->s_dev, file->f_inode->i_ino);
}

static __always_inline int bh_resolve_once(struct bh_subject *subject, struct dentry *dentry,
					   struct bh_found *found)
{
	struct bh_walk *walk = bh_begin_walk(subject);

	if (!walk)
		return -1;
	walk->dentry = (__u64)dentry;
	if (bh_find_name(walk) < 0)
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

/* False once something was let through that would have made untrue what is kept. */
static __always_inline bool bh_holds_still(struct bh_subject *subject)
{
	return subject->env && !(subject->env->flags & BH_ENV_UNJUDGED);
}

/* As bh_resolve(), of an inode and one of its names, from what is kept where it can be. */
static __noinline int bh_find_kept(struct bh_subject *subject, struct dentry *dentry,
				   struct inode *inode, struct bh_found *found)
{
	struct bh_place place = {};
	struct bh_place *known;

	if (!bh_holds_still(subject))
		return bh_resolve(subject, dentry, found);
	bh_policy_key_of(subject, &place.policy);
	known = bpf_inode_storage_get(&bh_places, inode, NULL, 0);
	if (known && bh_label_equal(known->policy.label, place.policy.label) &&
	    known->policy.generation == place.policy.generation) {
		found->node = known->node;
		return 0;
	}
	if (bh_resolve(subject, dentry, found))
		return -1;
	bh_policy_key_of(subject, &place.policy);
	place.node = found->node;
	if (known)
		bpf_inode_storage_delete(&bh_places, inode);
	/* Without room for it, it is found again each time. */
	if (inode->i_nlink == 1 || (inode->i_mode & S_IFMT) == S_IFDIR)
		bpf_inode_storage_get(&bh_places, inode, &place, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* From what holds at its directory to what holds at the dentry: 0; -1: cannot be told. */
static __noinline int bh_step_to(struct bh_subject *subject, struct dentry *dentry,
				 struct bh_found *found)
{
	struct bh_walk *walk = bh_begin_walk(subject);
	struct bh_climb climb = { .walk = walk, .dentry = (__u64)dentry };

	if (!walk || bh_step_up(0, &climb))
		return -1;
	walk->node = found->node;
	if (bh_step_down(walk, 0) < 0)
		return -1;
	found->node = walk->node;
	return 0;
}

/* What holds at a file: 0; -1: cannot be told. */
static __always_inline int bh_find_place(struct bh_subject *subject, struct file *file,
					 struct bh_found *found)
{
	struct dentry *dentry = file->f_path.dentry;
	struct dentry *parent = dentry->d_parent;
	int attempt, error;

	if (!bh_keeps_dirs || parent == dentry)
		return bh_find_kept(subject, dentry, file->f_inode, found);
	for (attempt = 0; attempt < BH_MAX_ATTEMPTS && subject->env; attempt++) {
		if (bh_find_kept(subject, parent, parent->d_inode, found))
			return -1;
		if (!found->node.node)
			return 0;
		error = bh_step_to(subject, dentry, found);
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
	struct bh_found found = {};

	if (bh_class_of_rights(subject->control, ask->rights) < 0)
		return 0;
	if (bh_find_place(subject, file, &found))
		return bh_refuse_path(subject, dentry, ask, NULL);
	if ((found.node.rights & ask->rights) == ask->rights || ask->node_flags & ~found.node.flags)
		return 0;
	return bh_refuse_path(subject, dentry, ask, &found);
}

#endif
