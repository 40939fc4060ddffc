// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of [files] where a file is opened, also to be executed or to be the interpreter of what
 * is, and where a descriptor that only appends would stop appending.
 *
 * Not judged: what only the kernel makes (pipes, sockets, memfd), what the environment was handed
 * at its start, and what overlayfs opens beneath a file of its own that was judged.
 */
#include "bpf/tree_file.bpf.h"

/* What is handed over, or is the kernel's alone, is in no tree of programs. */
static __always_inline int bh_check_program(struct bh_subject *subject, struct file *file,
					    struct bh_ask *ask)
{
	struct dentry *dentry = file->f_path.dentry;
	struct bh_found nothing = {};

	if (bh_mount_is_internal(file->f_path.mnt, dentry->d_sb) &&
	    !(dentry->d_sb->s_flags & SB_NOUSER))
		return 0;
	if (dentry->d_sb->s_flags & SB_NOUSER)
		return BH_CONTROL_REFUSES(subject->control, BH_CLASS_EXECUTION)
			       ? bh_refuse_path(subject, dentry, ask, &nothing)
			       : 0;
	return bh_check_file(subject, file, ask);
}

/* On 6.1 it carries the path of the overlay, later one of a mount that nobody can name. */
static __always_inline bool bh_lies_below_overlay(struct file *file)
{
	struct dentry *dentry = file->f_path.dentry;

	return file->f_inode != dentry->d_inode ||
	       (bh_mount_is_internal(file->f_path.mnt, dentry->d_sb) &&
		!(dentry->d_sb->s_flags & SB_NOUSER));
}

SEC("lsm/file_open")
int BPF_PROG(bh_tree_open, struct file *file)
{
	struct bh_subject subject;

	if (!bh_subject_has_tree(&subject))
		return 0;
	if (file->f_inode->i_nlink > 1 && bh_lies_below_overlay(file))
		bh_learn_links();

	struct bh_ask ask = {
		.hook = BH_HOOK_file_open,
		.error = EPERM,
		.rights = bh_rights_to_open((__u32)file->f_mode, file->f_flags),
	};
	if (ask.rights == BH_RIGHT_EXECUTE)
		return bh_check_program(&subject, file, &ask) ? -EPERM : 0;
	if (!bh_has_rules(&subject, file))
		return 0;
	return bh_check_file(&subject, file, &ask) ? -EPERM : 0;
}

SEC("lsm/file_fcntl")
int BPF_PROG(bh_tree_fcntl, struct file *file, unsigned int cmd, unsigned long flags)
{
	struct bh_subject subject;

	if (cmd != BH_F_SETFL || flags & BH_O_APPEND || !(file->f_flags & BH_O_APPEND) ||
	    !(file->f_mode & FMODE_WRITE))
		return 0;
	if (!bh_subject_has_tree(&subject) || !bh_has_rules(&subject, file))
		return 0;

	struct bh_ask ask = {
		.hook = BH_HOOK_file_fcntl,
		.error = EPERM,
		.rights = BH_RIGHT_WRITE,
	};
	return bh_check_file(&subject, file, &ask) ? -EPERM : 0;
}
