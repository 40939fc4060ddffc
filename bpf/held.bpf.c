// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes over tasks and their sockets for what environments have, as of now: run when somebody
 * reads it, and counting nothing when nobody does.
 */
#include "bpf/held.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline void bh_read_mounts(struct bh_held_task *row, struct task_struct *task)
{
	__u32 slot = row->label.slot;
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);
	struct mnt_namespace *ns;

	if (!env || env->serial != row->label.serial)
		return;
	ns = bh_own_mounts_of(env, task);
	if (!ns)
		return;
	row->mnt_ns = BPF_CORE_READ(ns, ns.inum);
	row->mounts = bh_mounts_in(ns);
}

SEC("iter/task")
int bh_held_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bh_held_task row = {};

	if (!task)
		return 0;
	row.label = bh_label_of(task);
	if (!row.label.serial)
		return 0;
	row.private_pages = bh_private_pages_of(task);
	bh_read_mounts(&row, task);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
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
