/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a file lies, as an environment may see it: on a super block of its list, on one that only
 * the kernel makes (pipes, sockets, memfd), or handed to it at its start. All else is foreign.
 */
#ifndef BULKHEAD_FILES_BPF_H
#define BULKHEAD_FILES_BPF_H

#include "bpf/cgroups.bpf.h"
#include "bpf/refuse.bpf.h"
#include "bpf/decide.h"
#include "bpf/mount.bpf.h"
#include "bpf/sysctls.bpf.h"

/* Deepest path below a mount that is followed; deeper is refused. */
#define BH_MAX_DEPTH 128
#define BH_MAX_PROC_DEPTH 12

/* What is asked of one inode. */
struct bh_access {
	struct vfsmount *mnt;
	struct dentry *dentry;
	struct inode *inode;
	bool write;
	bool names; /* of `write`: names are made, moved or removed in this directory */
	bool own_cgroup; /* refused, but not to a policy that gives cgroups of one's own */
};

/* False also for what a file handle reached beside the part of the file system that is mounted. */
static __always_inline bool bh_is_below(struct dentry *dentry, struct dentry *root)
{
	int depth;

	for (depth = 0; depth < BH_MAX_DEPTH; depth++) {
		struct dentry *parent = dentry->d_parent;

		if (dentry == root)
			return true;
		if (parent == dentry)
			return false;
		dentry = parent;
	}
	return false;
}

static __always_inline bool bh_mount_is_own(struct bh_environment *env, struct bh_access *access)
{
	struct mnt_namespace *ns = bh_mount_namespace(access->mnt);

	if (!ns || !bh_is_below(access->dentry, access->mnt->mnt_root))
		return false;
	return BPF_CORE_READ(ns, ns.inum) == env->mnt_ns ||
	       bh_user_ns_is_own(env, BPF_CORE_READ(ns, user_ns));
}

/*
 * What was adopted has the mounts of its own mount namespace, whatever their number; only what is
 * an interface of the kernel has to be listed.
 */
static __always_inline int bh_adopted_device(struct bh_environment *env, __u64 magic, int flags)
{
	if (flags != BH_DEVICE_ABSENT || !(env->flags & BH_ENV_ADOPTED) ||
	    bh_file_system_class(magic) != BH_CLASS_FILES)
		return flags;
	return BH_DEVICE_SHARED;
}

/* The rest of bh_place_class(): everything but an own super block without conditions. */
static __noinline int bh_place_class_rest(struct bh_environment *env, struct bh_access *access,
					  int flags)
{
	struct super_block *sb = access->dentry->d_sb;

	if (sb->s_flags & SB_NOUSER || bh_mount_is_internal(access->mnt, sb) ||
	    bh_is_granted(env, sb->s_dev, access->inode->i_ino))
		return BH_ALLOWED;
	flags = bh_adopted_device(env, sb->s_magic, flags);
	/* All namespaces of the machine are files there; it bound this one where it could open it.
	 */
	if (flags == BH_DEVICE_ABSENT && sb->s_magic == BH_MAGIC_NSFS)
		flags = BH_DEVICE_SHARED;
	if (flags == BH_DEVICE_ABSENT)
		return bh_super_block_is_own(env, sb) ? BH_ALLOWED
						      : bh_file_system_class(sb->s_magic);
	if (flags & BH_DEVICE_READ_ONLY && access->write)
		return sb->s_magic == BH_MAGIC_CGROUP2 ? BH_CLASS_CGROUPS : BH_CLASS_FILES;
	if (flags & BH_DEVICE_SHARED && !bh_mount_is_own(env, access))
		return BH_CLASS_FILES;
	return BH_ALLOWED;
}

/*
 * The super block is the dentry's: the same as the inode's, except in a file that overlayfs of 6.1
 * opens on its layer, which carries the path of the overlay.
 */
static __always_inline int bh_place_class(struct bh_subject *subject, struct bh_access *access)
{
	int flags;

	if (!subject->env)
		return BH_CLASS_FILES;
	flags = bh_find_device(subject->env, access->dentry->d_sb->s_dev);
	if (!flags)
		return BH_ALLOWED;
	return bh_place_class_rest(subject->env, access, flags);
}

static __always_inline bool bh_is_below_pid(struct dentry *dentry)
{
	char name[2] = {};
	int depth;

	for (depth = 0; depth < BH_MAX_PROC_DEPTH; depth++) {
		struct dentry *parent = dentry->d_parent;

		if (parent->d_parent == parent) {
			bpf_probe_read_kernel(name, sizeof(name), dentry->d_name.name);
			return bh_is_pid_name(name);
		}
		dentry = parent;
	}
	return false;
}

/*
 * Writing to /proc beyond the processes, to sysfs and to cgroups, also where the super block is
 * own. A sysfs of one's own is read-only by its mount, which root inside may change.
 */
static __always_inline int bh_write_class(struct bh_subject *subject, struct bh_access *access)
{
	int verdict;

	switch (access->dentry->d_sb->s_magic) {
	case BH_MAGIC_PROC:
		if (bh_is_below_pid(access->dentry) ||
		    bh_may_write_sysctl(subject, access->dentry, access->names))
			return BH_ALLOWED;
		return BH_CLASS_SYSCTL;
	case BH_MAGIC_SYSFS:
		return subject->env && subject->env->user_ns ? BH_CLASS_KERNEL_FILES : BH_ALLOWED;
	case BH_MAGIC_CGROUP2:
		verdict = bh_judge_cgroup(subject, access->dentry,
					  access->names ? BH_CGROUP_NAMES : BH_CGROUP_FILE);
		access->own_cgroup = verdict == BH_CGROUP_REFUSED_OWN;
		return verdict == BH_CGROUP_ALLOWED ? BH_ALLOWED : BH_CLASS_CGROUPS;
	case BH_MAGIC_CGROUP:
		return BH_CLASS_CGROUPS;
	default:
		return BH_ALLOWED;
	}
}

static __always_inline bool bh_is_device(__u32 mode)
{
	return (mode & S_IFMT) == S_IFCHR || (mode & S_IFMT) == S_IFBLK;
}

/* What kind of file it is; the place was allowed. */
static __always_inline int bh_kind_class(struct bh_subject *subject, struct bh_access *access)
{
	__u32 mode = access->inode->i_mode;

	if (bh_is_device(mode)) {
		if ((mode & S_IFMT) == S_IFCHR && bh_device_is_harmless(access->inode->i_rdev))
			return BH_ALLOWED;
		return BH_CLASS_DEVICES;
	}
	return access->write ? bh_write_class(subject, access) : BH_ALLOWED;
}

static __always_inline __u32 bh_access_bits(struct bh_access *access)
{
	return (access->write ? BH_ACCESS_WRITE : 0) |
	       (access->own_cgroup ? BH_ACCESS_OWN_CGROUP : 0);
}

static __noinline int bh_refuse_file(struct bh_subject *subject, struct bh_access *access,
				     __u16 hook, __u8 class_id)
{
	struct bh_request request = {
		.hook = hook,
		.class_id = class_id,
		.object_kind = BH_OBJECT_FILE,
		.values = { access->dentry->d_sb->s_dev, access->inode->i_ino,
			    access->inode->i_mode, bh_access_bits(access) },
		.path = access->dentry,
	};

	return bh_decide(subject, &request, -EPERM);
}

/* Looking at a file, and what else only its place decides about. */
static __always_inline int bh_check_look(const struct path *path, __u16 hook)
{
	struct bh_subject subject;
	int class_id;

	if (!bh_subject_current(&subject))
		return 0;

	struct bh_access access = {
		.mnt = path->mnt,
		.dentry = path->dentry,
		.inode = path->dentry->d_inode,
	};
	class_id = bh_place_class(&subject, &access);
	if (class_id < 0)
		return 0;
	return bh_refuse_file(&subject, &access, hook, class_id) ? -EPERM : 0;
}

#endif
