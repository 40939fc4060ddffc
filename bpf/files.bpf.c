// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files: opening, receiving, watching and looking at a file is refused when its super block is not
 * the environment's, whatever led there: a leaked directory descriptor, a file handle, a mount that
 * slipped in. On own super blocks what reaches the kernel is refused: device nodes, writes to
 * /proc beyond the processes, and to cgroups; but not devices that the policy names.
 */
#include "bpf/files.bpf.h"

/* True when one policy entire names the device. */
static __noinline int bh_may_use_device(struct bh_subject *subject, struct bh_access *access)
{
	int i;

	if (!subject || !access)
		return 0;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_policy *policy = bh_policy_of(subject);
		struct inode *inode = access->inode;
		bool is_block = (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFBLK;
		bool allowed =
			policy && bh_allows_device(policy, BPF_CORE_READ(inode, i_rdev), is_block);

		if (bh_is_current(subject))
			return allowed;
		bh_subject_resolve(subject);
	}
	return 0;
}

SEC("lsm/file_open")
int BPF_PROG(bh_file_open, struct file *file)
{
	struct bh_subject subject;
	int class_id, error;

	if (!bh_subject_current(&subject))
		return 0;

	struct bh_access access = {
		.mnt = file->f_path.mnt,
		.dentry = file->f_path.dentry,
		.inode = file->f_inode,
		.write = file->f_mode & FMODE_WRITE,
	};
	class_id = bh_place_class(&subject, &access);
	if (class_id >= 0) {
		error = bh_refuse_file(&subject, &access, BH_HOOK_file_open, class_id);
		if (error)
			return -EPERM;
	}
	class_id = bh_kind_class(&subject, &access);
	if (class_id == BH_CLASS_DEVICES && bh_may_use_device(&subject, &access))
		return 0;
	if (class_id >= 0 && bh_refuse_file(&subject, &access, BH_HOOK_file_open, class_id))
		return -EPERM;
	return 0;
}

static __always_inline bool bh_is_kernel_handle(struct dentry *dentry)
{
	char name[4] = {};

	if (dentry->d_sb->s_magic != BH_MAGIC_ANON_INODE)
		return false;
	bpf_probe_read_kernel(name, sizeof(name), dentry->d_name.name);
	return bh_anon_inode_is_kernel_handle(name);
}

/* SCM_RIGHTS, pidfd_getfd and seccomp's notifier. */
SEC("lsm/file_receive")
int BPF_PROG(bh_file_receive, struct file *file)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;

	struct bh_access access = {
		.mnt = file->f_path.mnt,
		.dentry = file->f_path.dentry,
		.inode = file->f_inode,
	};
	if (bh_place_class(&subject, &access) < 0 && !bh_is_kernel_handle(access.dentry))
		return 0;
	return bh_refuse_file(&subject, &access, BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS)
		       ? -EPERM
		       : 0;
}

SEC("lsm/inode_getattr")
int BPF_PROG(bh_getattr, const struct path *path)
{
	return bh_check_look(path, BH_HOOK_inode_getattr);
}

/* inotify, fanotify and dnotify tell the names of what others do in a directory. */
SEC("lsm/path_notify")
int BPF_PROG(bh_notify, const struct path *path)
{
	return bh_check_look(path, BH_HOOK_path_notify);
}

/*
 * Requests that type into a terminal, or name who gets a descriptor's signals. A terminal on the
 * environment's own devpts is read by nobody outside; one that it inherited is.
 */
static __always_inline int bh_check_ioctl(struct file *file, unsigned int cmd, __u16 hook)
{
	int class_id = bh_ioctl_class(cmd);
	struct bh_subject subject;

	if (class_id < 0 || !bh_subject_current(&subject))
		return 0;

	struct bh_access access = {
		.mnt = file->f_path.mnt,
		.dentry = file->f_path.dentry,
		.inode = file->f_inode,
	};
	if (class_id == BH_CLASS_DEVICES && subject.env &&
	    bh_is_listed_or_own(subject.env, access.dentry->d_sb))
		return 0;
	return bh_refuse_file(&subject, &access, hook, class_id) ? -EPERM : 0;
}

SEC("lsm/file_ioctl")
int BPF_PROG(bh_ioctl, struct file *file, unsigned int cmd)
{
	return bh_check_ioctl(file, cmd, BH_HOOK_file_ioctl);
}

/* 32-bit callers, also from a 64-bit process through int 0x80. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(bh_ioctl_compat, struct file *file, unsigned int cmd)
{
	return bh_check_ioctl(file, cmd, BH_HOOK_file_ioctl_compat);
}
