// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing what lies on a super block that is not the environment's, through a directory that
 * leaked in: no name is made, moved or removed there, no attribute changed; nor are attributes and
 * links read there. New device nodes are refused everywhere, but of harmless devices.
 *
 * The path hooks see the mount and are not called by overlayfs for its own layers; the inode hooks
 * are, so they let a stacked file system act.
 */
#include "bpf/files.bpf.h"

const volatile __u32 bh_setattr_dentry = 1; /* argument of inode_setattr that is the dentry */

static __always_inline int bh_check_change(const struct path *path, __u16 hook)
{
	struct bh_subject subject;
	int class_id;

	if (!bh_subject_current(&subject))
		return 0;

	struct bh_access access = {
		.mnt = path->mnt,
		.dentry = path->dentry,
		.inode = path->dentry->d_inode,
		.write = true,
		.names = hook != BH_HOOK_path_truncate && hook != BH_HOOK_path_chmod &&
			 hook != BH_HOOK_path_chown,
	};
	class_id = bh_place_class(&subject, &access);
	if (class_id < 0)
		class_id = bh_write_class(&subject, &access);
	if (class_id < 0)
		return 0;
	return bh_refuse_file(&subject, &access, hook, class_id) ? -EPERM : 0;
}

/*
 * One of a harmless device gives nothing that there is not already: an init makes them for services
 * that get a /dev of their own. Number 0 is no device: a whiteout of overlayfs, or what such an
 * init mounts over what a service may not see.
 */
static __always_inline bool bh_node_is_harmless(__u32 mode, __u32 dev)
{
	return !dev ||
	       ((mode & S_IFMT) == S_IFCHR && bh_device_is_harmless(bh_device_of_node(dev)));
}

static __always_inline int bh_check_node(struct dentry *dentry, __u32 mode, __u32 dev)
{
	struct bh_subject subject;
	struct bh_request request = {
		.hook = BH_HOOK_path_mknod,
		.class_id = BH_CLASS_DEVICES,
		.object_kind = BH_OBJECT_FILE,
		.values = { dev, 0, mode, 1 },
		.path = dentry,
	};

	if (!bh_is_device(mode) || bh_node_is_harmless(mode, dev))
		return 0;
	if (!bh_subject_current(&subject))
		return 0;
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/path_mknod")
int BPF_PROG(bh_mknod, const struct path *dir, struct dentry *dentry, umode_t mode,
	     unsigned int dev)
{
	int error = bh_check_change(dir, BH_HOOK_path_mknod);

	return error ? error : bh_check_node(dentry, mode, dev);
}

SEC("lsm/path_mkdir")
int BPF_PROG(bh_mkdir, const struct path *dir)
{
	return bh_check_change(dir, BH_HOOK_path_mkdir);
}

SEC("lsm/path_rmdir")
int BPF_PROG(bh_rmdir, const struct path *dir)
{
	return bh_check_change(dir, BH_HOOK_path_rmdir);
}

SEC("lsm/path_unlink")
int BPF_PROG(bh_unlink, const struct path *dir)
{
	return bh_check_change(dir, BH_HOOK_path_unlink);
}

SEC("lsm/path_symlink")
int BPF_PROG(bh_symlink, const struct path *dir)
{
	return bh_check_change(dir, BH_HOOK_path_symlink);
}

/* Both ends of a link or a rename are on one mount: the kernel refused all others before. */
SEC("lsm/path_link")
int BPF_PROG(bh_link, struct dentry *old_dentry, const struct path *new_dir)
{
	return bh_check_change(new_dir, BH_HOOK_path_link);
}

SEC("lsm/path_rename")
int BPF_PROG(bh_rename, const struct path *old_dir)
{
	return bh_check_change(old_dir, BH_HOOK_path_rename);
}

SEC("lsm/path_truncate")
int BPF_PROG(bh_truncate, const struct path *path)
{
	return bh_check_change(path, BH_HOOK_path_truncate);
}

SEC("lsm/path_chmod")
int BPF_PROG(bh_chmod, const struct path *path)
{
	return bh_check_change(path, BH_HOOK_path_chmod);
}

SEC("lsm/path_chown")
int BPF_PROG(bh_chown, const struct path *path)
{
	return bh_check_change(path, BH_HOOK_path_chown);
}

/*
 * Without a mount a shared super block cannot be told from the host's: allowed here, and what the
 * path hooks see is refused there. A stacked file system acts with credentials of its own, which
 * no system call that ends here can put on.
 */
static __noinline int bh_check_attribute(struct dentry *dentry, __u16 hook, int write)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bh_subject subject;
	struct super_block *sb;
	int flags = BH_DEVICE_ABSENT;

	if (!bh_subject_current(&subject) || task->cred != task->real_cred)
		return 0;
	sb = BPF_CORE_READ(dentry, d_sb);
	if (subject.env)
		flags = bh_adopted_device(subject.env, BPF_CORE_READ(sb, s_magic),
					  bh_find_device(subject.env, BPF_CORE_READ(sb, s_dev)));
	if (subject.env && flags == BH_DEVICE_ABSENT && bh_super_block_is_own(subject.env, sb))
		return 0;
	if (flags >= 0 && !(write && flags & BH_DEVICE_READ_ONLY))
		return 0;
	if (subject.env && BPF_CORE_READ(sb, s_flags) & SB_NOUSER)
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = bh_file_system_class(BPF_CORE_READ(sb, s_magic)),
		.object_kind = BH_OBJECT_FILE,
		.values = { BPF_CORE_READ(sb, s_dev), BPF_CORE_READ(dentry, d_inode, i_ino),
			    BPF_CORE_READ(dentry, d_inode, i_mode), write },
		.path = dentry,
	};
	if (subject.env && bh_is_granted(subject.env, request.values[0], request.values[1]))
		return 0;
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/inode_setattr")
int bh_setattr(unsigned long long *ctx)
{
	__u64 dentry = 0;

	bpf_get_func_arg(ctx, bh_setattr_dentry, &dentry);
	return bh_check_attribute((struct dentry *)dentry, BH_HOOK_inode_setattr, 1);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(bh_setxattr, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_setxattr, 1);
}

SEC("lsm/inode_removexattr")
int BPF_PROG(bh_rmxattr, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_removexattr, 1);
}

/* Before 6.2 ACLs came through inode_setxattr. */
SEC("lsm/inode_set_acl")
int BPF_PROG(bh_set_acl, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_set_acl, 1);
}

SEC("lsm/inode_getxattr")
int BPF_PROG(bh_getxattr, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_getxattr, 0);
}

SEC("lsm/inode_listxattr")
int BPF_PROG(bh_listxattr, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_listxattr, 0);
}

SEC("lsm/inode_readlink")
int BPF_PROG(bh_readlink, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_readlink, 0);
}
