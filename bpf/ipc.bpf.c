// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V IPC: an object belongs to the environment whose task made it; one that no environment
 * made is the host's. An object that cannot be recorded is not made. POSIX queues are files of the
 * IPC namespace's own file system.
 *
 * An object of another environment may be used where both policies say so; not be removed, nor its
 * owner or mode changed.
 */
#include "bpf/peers.bpf.h"
#include "bpf/decide.h"
#include "bpf/mount.bpf.h"

static __always_inline void bh_describe_ipc(struct bh_request *request, struct kern_ipc_perm *perm)
{
	request->object_kind = BH_OBJECT_IPC;
	request->values[0] = (__u32)BPF_CORE_READ(perm, key);
	request->values[1] = (__u32)BPF_CORE_READ(perm, id);
}

static __noinline int bh_own_ipc(struct kern_ipc_perm *perm, __u16 hook)
{
	__u64 address = (__u64)perm;
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	if (subject.env && !bpf_map_update_elem(&bh_objects, &address, &subject.label, BPF_ANY))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_IPC,
		.flags = BH_REFUSAL_INTERNAL,
	};
	bh_describe_ipc(&request, perm);
	return bh_decide(&subject, &request, -ENOSPC);
}

static __always_inline int bh_forget_ipc(struct kern_ipc_perm *perm)
{
	__u64 address = (__u64)perm;

	bpf_map_delete_elem(&bh_objects, &address);
	return 0;
}

/* No object: a question about the whole namespace (IPC_INFO). */
static __noinline int bh_check_ipc(struct kern_ipc_perm *perm, __u16 hook, __u32 peer_act)
{
	__u64 address = (__u64)perm;
	struct bh_subject subject;
	struct bh_label *owner;

	if (!perm || !bh_subject_current(&subject))
		return 0;
	owner = bpf_map_lookup_elem(&bh_objects, &address);
	if (subject.env && owner && bh_label_equal(*owner, subject.label))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_IPC,
		.peer_act = peer_act,
	};
	bh_describe_ipc(&request, perm);
	if (owner) {
		request.values[2] = owner->slot;
		request.values[3] = owner->serial;
	}
	return bh_decide_on_peer(&subject, &request, -EPERM);
}

SEC("lsm/shm_alloc_security")
int BPF_PROG(bh_shm_alloc, struct kern_ipc_perm *perm)
{
	return bh_own_ipc(perm, BH_HOOK_shm_alloc_security);
}

SEC("lsm/sem_alloc_security")
int BPF_PROG(bh_sem_alloc, struct kern_ipc_perm *perm)
{
	return bh_own_ipc(perm, BH_HOOK_sem_alloc_security);
}

SEC("lsm/msg_queue_alloc_security")
int BPF_PROG(bh_msg_alloc, struct kern_ipc_perm *perm)
{
	return bh_own_ipc(perm, BH_HOOK_msg_queue_alloc_security);
}

SEC("lsm/shm_free_security")
int BPF_PROG(bh_shm_free, struct kern_ipc_perm *perm)
{
	return bh_forget_ipc(perm);
}

SEC("lsm/sem_free_security")
int BPF_PROG(bh_sem_free, struct kern_ipc_perm *perm)
{
	return bh_forget_ipc(perm);
}

SEC("lsm/msg_queue_free_security")
int BPF_PROG(bh_msg_free, struct kern_ipc_perm *perm)
{
	return bh_forget_ipc(perm);
}

SEC("lsm/ipc_permission")
int BPF_PROG(bh_ipc_perm, struct kern_ipc_perm *perm)
{
	return bh_check_ipc(perm, BH_HOOK_ipc_permission, BH_PEER_SHARE_MEMORY);
}

/* Removal and changes of mode ask for ownership, not for permission: they come here only. */
static __always_inline __u32 bh_act_of_control(int cmd)
{
	return bh_ipc_control_owns(cmd) ? 0 : BH_PEER_SHARE_MEMORY;
}

SEC("lsm/shm_shmctl")
int BPF_PROG(bh_shmctl, struct kern_ipc_perm *perm, int cmd)
{
	return bh_check_ipc(perm, BH_HOOK_shm_shmctl, bh_act_of_control(cmd));
}

SEC("lsm/sem_semctl")
int BPF_PROG(bh_semctl, struct kern_ipc_perm *perm, int cmd)
{
	return bh_check_ipc(perm, BH_HOOK_sem_semctl, bh_act_of_control(cmd));
}

SEC("lsm/msg_queue_msgctl")
int BPF_PROG(bh_msgctl, struct kern_ipc_perm *perm, int cmd)
{
	return bh_check_ipc(perm, BH_HOOK_msg_queue_msgctl, bh_act_of_control(cmd));
}

/* mq_open() and mq_unlink() make and remove a queue beside the path hooks. */
static __always_inline int bh_check_queue(struct inode *dir, struct dentry *dentry, __u16 hook)
{
	__u64 magic = dir->i_sb->s_magic;
	__u32 dev = dir->i_sb->s_dev;
	struct bh_subject subject;

	if (magic != BH_MAGIC_MQUEUE || !bh_subject_current(&subject))
		return 0;
	if (subject.env && bh_is_listed_or_own(subject.env, dir->i_sb))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = bh_file_system_class(magic),
		.object_kind = BH_OBJECT_FILE,
		.values = { dev, 0, 0, 1 },
		.path = dentry,
	};
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/inode_create")
int BPF_PROG(bh_mq_create, struct inode *dir, struct dentry *dentry)
{
	return bh_check_queue(dir, dentry, BH_HOOK_inode_create);
}

SEC("lsm/inode_unlink")
int BPF_PROG(bh_mq_unlink, struct inode *dir, struct dentry *dentry)
{
	return bh_check_queue(dir, dentry, BH_HOOK_inode_unlink);
}
