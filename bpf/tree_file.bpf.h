/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules of [files] for a file that is opened or mapped: from what is kept on its directory or
 * above. From 6.17 verifiers trust no inode that is found through file->f_path: there it is kept
 * for each file with one name, as all names that it gets later come of that one.
 */
#ifndef BULKHEAD_TREE_FILE_BPF_H
#define BULKHEAD_TREE_FILE_BPF_H

#include "bpf/tree_kept.bpf.h"

const volatile bool bh_keeps_dirs __weak = false;

static __always_inline bool bh_has_rules(struct bh_subject *subject, struct file *file)
{
	struct dentry *dentry = file->f_path.dentry;
	struct super_block *sb = dentry->d_sb;

	if (sb->s_flags & SB_NOUSER || bh_mount_is_internal(file->f_path.mnt, sb))
		return false;
	return !subject->env || !bh_is_granted(subject->env, sb->s_dev, file->f_inode->i_ino);
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

/* As bh_resolve(), of an inode and one of its names, from what is kept where it can be. */
static __noinline int bh_find_kept(struct bh_subject *subject, struct dentry *dentry,
				   struct inode *inode, struct bh_found *found)
{
	struct bh_place place = {};
	struct bh_place *known;

	if (!bh_holds_still(subject))
		return bh_resolve(subject, dentry, found);
	bh_policy_key_of(subject, &place.policy);
	known = bh_kept_on(inode, &place.policy);
	if (known) {
		found->node = known->node;
		return 0;
	}
	if (bh_resolve(subject, dentry, found))
		return -1;
	bh_policy_key_of(subject, &place.policy);
	place.node = found->node;
	if (inode->i_nlink == 1 || (inode->i_mode & S_IFMT) == S_IFDIR)
		bh_keep(inode, &place);
	return 0;
}

/* As bh_resolve_once(), by way of the directory. */
static __always_inline int bh_find_place_once(struct bh_subject *subject, struct dentry *dentry,
					      struct bh_found *found)
{
	struct dentry *dir = dentry->d_parent;
	struct bh_place *known = NULL;
	struct bh_policy_key policy;
	bool is_kept = bh_holds_still(subject);

	if (is_kept) {
		bh_policy_key_of(subject, &policy);
		known = bh_kept_on(dir->d_inode, &policy);
	}
	if (known)
		found->node = known->node;
	else if ((!is_kept || bh_find_from_above(subject, dir, found)) &&
		 bh_find_from_root(subject, dir, found))
		return -1;
	return found->node.node ? bh_step_to(subject, dir, dentry, found) : 0;
}

/*
 * What holds at a file: 0; -1: cannot be told. Unrolled, as verifiers before 6.3 take no loop whose
 * head is fallen into from its end.
 */
static __always_inline int bh_find_place(struct bh_subject *subject, struct file *file,
					 struct bh_found *found)
{
	struct dentry *dentry = file->f_path.dentry;
	int attempt, error;

	if (!bh_keeps_dirs || dentry->d_parent == dentry)
		return bh_find_kept(subject, dentry, file->f_inode, found);
#pragma unroll
	for (attempt = 0; attempt < BH_MAX_ATTEMPTS && subject->env; attempt++) {
		error = bh_find_place_once(subject, dentry, found);
		if (!bh_is_published(subject))
			bh_subject_resolve(subject);
		else if (!error)
			return 0;
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
