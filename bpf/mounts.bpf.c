// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole mount family. What has no hook here (fsopen, fsmount, open_tree, mount_setattr) needs
 * CAP_SYS_ADMIN, which bh_capable refuses in every user namespace.
 *
 * Where a policy gives the family, the kernel lets a task mount what its user namespace may make,
 * and bind what its mount namespace has; a mount that somebody else made and handed in is refused
 * here, and whatever it mounts, bh_file_open looks at the super block.
 */
#include "bpf/files.bpf.h"

static __always_inline int bh_refuse_mount(struct dentry *dentry, __u16 hook, __u64 flags)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_MOUNTS,
		.object_kind = BH_OBJECT_FILE,
		.values = { dentry->d_sb->s_dev, 0, 0, flags },
		.path = dentry,
	};
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/sb_mount")
int BPF_PROG(bh_mount, const char *device, const struct path *path, const char *type,
	     unsigned long flags)
{
	return bh_refuse_mount(path->dentry, BH_HOOK_sb_mount, flags);
}

SEC("lsm/sb_umount")
int BPF_PROG(bh_umount, struct vfsmount *mnt, int flags)
{
	return bh_refuse_mount(mnt->mnt_root, BH_HOOK_sb_umount, (__u32)flags);
}

SEC("lsm/sb_remount")
int BPF_PROG(bh_remount, struct super_block *sb)
{
	return bh_refuse_mount(sb->s_root, BH_HOOK_sb_remount, 0);
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(bh_pivotroot, const struct path *old_path, const struct path *new_path)
{
	return bh_refuse_mount(new_path->dentry, BH_HOOK_sb_pivotroot, 0);
}

SEC("lsm/move_mount")
int BPF_PROG(bh_move_mount, const struct path *from_path, const struct path *to_path)
{
	int error = bh_refuse_mount(to_path->dentry, BH_HOOK_move_mount, 0);

	return error ? error : bh_check_look(from_path, BH_HOOK_move_mount);
}
