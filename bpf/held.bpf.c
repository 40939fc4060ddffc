// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes over tasks and their sockets for what environments have, as of now: run when somebody
 * reads it, and counting nothing when nobody does.
 */
#include "bpf/identity.bpf.h"
#include "bpf/mount.bpf.h"
#include "bpf/decide_beancounters.h"
#include "bpf/wire_held.h"

char LICENSE[] SEC("license") = "GPL";

/* Named so from 6.8 on; the old name is another field's then. */
struct mnt_namespace___later {
	unsigned int nr_mounts;
} __attribute__((preserve_access_index));
struct mnt_namespace___before {
	unsigned int mounts;
} __attribute__((preserve_access_index));

static __always_inline __u32 bh_mounts_in(struct mnt_namespace *ns)
{
	struct mnt_namespace___later *later = (void *)ns;

	if (bpf_core_field_exists(later->nr_mounts))
		return BPF_CORE_READ(later, nr_mounts);
	return BPF_CORE_READ((struct mnt_namespace___before *)ns, mounts);
}

static __always_inline void bh_read_mounts(struct bh_held_task *row, struct task_struct *task)
{
	struct mnt_namespace *ns = BPF_CORE_READ(task, nsproxy, mnt_ns);
	__u32 slot = row->label.slot;
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);
	__u32 inum;

	if (!ns || !env || env->serial != row->label.serial)
		return;
	inum = BPF_CORE_READ(ns, ns.inum);
	if (inum != env->mnt_ns && !bh_user_ns_is_own(env, BPF_CORE_READ(ns, user_ns)))
		return;
	row->mnt_ns = inum;
	row->mounts = bh_mounts_in(ns);
}

SEC("iter/task")
int bh_held_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bh_held_task row = {};
	struct mm_struct *mm;

	if (!task)
		return 0;
	row.label = bh_label_of(task);
	if (!row.label.serial)
		return 0;
	mm = task->mm;
	if (mm && BPF_CORE_READ(mm, owner) == task)
		row.private_pages = BPF_CORE_READ(mm, data_vm) + BPF_CORE_READ(mm, stack_vm);
	bh_read_mounts(&row, task);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

/* The kernel's count of what is to be sent begins at one. */
static __always_inline void bh_read_buffers(struct bh_held_socket *row, struct sock *sk)
{
	int type = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_type);
	int protocol = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	int family = BPF_CORE_READ(sk, __sk_common.skc_family);

	row->received = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	if (bh_socket_counter(family, type, protocol) == BH_BEANCOUNTER_NUMTCPSOCK) {
		row->kind = BH_SOCKET_TCP;
		row->sent = BPF_CORE_READ(sk, sk_wmem_queued);
	} else {
		row->kind = BH_SOCKET_OTHER;
		row->sent = BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter) - 1;
	}
}

SEC("iter/task_file")
int bh_held_sockets(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	struct bh_held_socket row = {};
	struct socket *socket;

	if (!task || !file)
		return 0;
	row.label = bh_label_of(task);
	if (!row.label.serial || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	row.address = (__u64)BPF_CORE_READ(socket, sk);
	if (!row.address)
		return 0;
	bh_read_buffers(&row, (struct sock *)row.address);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}
