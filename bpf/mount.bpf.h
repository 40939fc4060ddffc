/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose a mount is.
 */
#ifndef BULKHEAD_MOUNT_BPF_H
#define BULKHEAD_MOUNT_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/decide.h"

static __always_inline struct mount *bh_mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline struct mnt_namespace *bh_mount_namespace(struct vfsmount *mnt)
{
	struct mount *mount = bh_mount_of(mnt);

	return BPF_CORE_READ(mount, mnt_ns);
}

/* How deep in it user namespaces are followed; the kernel allows 32. */
#define BH_MAX_USER_NAMESPACES 8

/*
 * True for the environment's user namespace and those made in it: nobody else has been inside, so
 * that what the kernel counts to them was made by the environment.
 */
static __always_inline bool bh_user_ns_is_own(struct bh_environment *env, struct user_namespace *ns)
{
	int depth;

	for (depth = 0; depth < BH_MAX_USER_NAMESPACES && ns && env->user_ns; depth++) {
		if (BPF_CORE_READ(ns, ns.inum) == env->user_ns)
			return true;
		ns = BPF_CORE_READ(ns, parent);
	}
	return false;
}

/* A sysfs is tagged with the namespace's common part, in it, and not with the whole. */
const volatile bool bh_sysfs_has_part __weak = false;

/* What a sysfs shows of the machine's devices are those of one network namespace. */
static __always_inline struct user_namespace *bh_user_ns_of_sysfs(struct super_block *sb)
{
	struct kernfs_super_info *info = BPF_CORE_READ(sb, s_fs_info);

	const struct net *net = BPF_CORE_READ(info, ns);

	if (bh_sysfs_has_part)
		net = (void *)net - bpf_core_field_offset(struct net, ns);
	return BPF_CORE_READ(net, user_ns);
}

/*
 * A file system that the environment made, where its policy gives the mount family. An interface of
 * the kernel is not, whoever mounted it.
 */
static __always_inline bool bh_super_block_is_own(struct bh_environment *env,
						  struct super_block *sb)
{
	if (BPF_CORE_READ(sb, s_magic) == BH_MAGIC_SYSFS)
		return bh_user_ns_is_own(env, bh_user_ns_of_sysfs(sb));
	return bh_file_system_class(BPF_CORE_READ(sb, s_magic)) == BH_CLASS_FILES &&
	       bh_user_ns_is_own(env, BPF_CORE_READ(sb, s_user_ns));
}

static __always_inline bool bh_is_listed_or_own(struct bh_environment *env, struct super_block *sb)
{
	return bh_find_device(env, BPF_CORE_READ(sb, s_dev)) != BH_DEVICE_ABSENT ||
	       bh_super_block_is_own(env, sb);
}

/* Its namespace is an error pointer (MNT_NS_INTERNAL), which no mount of user space has. */
static __always_inline bool bh_mount_is_unnamed(struct vfsmount *mnt)
{
	return (unsigned long)bh_mount_namespace(mnt) >= (unsigned long)-4095;
}

/*
 * A mount that no process can name: the kernel's own clone of a layer below overlayfs. mqueuefs is
 * the exception: mq_open() goes through such a mount.
 */
static __always_inline bool bh_mount_is_internal(struct vfsmount *mnt, struct super_block *sb)
{
	return bh_mount_is_unnamed(mnt) && sb->s_magic != BH_MAGIC_MQUEUE;
}

#endif
