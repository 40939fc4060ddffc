// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pass over all tasks for those that carry a label, whatever became of their environment: asked
 * before the programs are taken out, while no environment is published and none can be.
 *
 * Two passes that find none are a proof. A labelled task whose record is gone creates no other
 * (bh_task_alloc). A fork that was let through before the record went keeps its creator in the
 * kernel until what it creates can be found: so the first pass meets the creator, or the fork is
 * over when that pass ends, and the second meets the new task. A thread that takes over the id of
 * its process at an exec, behind the back of the first pass, keeps it: the second meets it there.
 */
#include "bpf/identity.bpf.h"
#include "bpf/wire_labelled.h"

char LICENSE[] SEC("license") = "GPL";

/* The pass goes over the tasks of the reader's PID namespace: only the machine's own has all. */
static __always_inline bool bh_sees_all_tasks(void)
{
	return !BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid, level);
}

/* What is dead and waits for its parent acts no more. */
SEC("iter/task")
int bh_label_pass(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bh_labelled row = {};

	if (!task)
		return 0;
	if (bh_sees_all_tasks()) {
		row.label = bh_label_of(task);
		if (!row.label.serial || task->exit_state)
			return 0;
		row.pid = task->tgid;
		bpf_probe_read_kernel_str(row.comm, sizeof(row.comm), task->comm);
	}
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}
