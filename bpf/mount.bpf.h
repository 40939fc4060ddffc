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
