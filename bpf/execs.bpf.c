// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many tasks of an exec live, and what those that run have used: the rest of it is where tasks
 * are created, execute and end (execs.bpf.h).
 */
#include "bpf/execs.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of each task that was created, before it can run; one whose creation failed never gets here. */
SEC("tp_btf/task_newtask")
int BPF_PROG(bh_newtask, struct task_struct *task)
{
	struct bh_exec_task *of = bh_exec_task_of(task);
	struct bh_exec *row = of ? bh_exec_row(of) : NULL;

	if (!row)
		return 0;
	of->flags |= BH_EXEC_LIVES;
	__sync_fetch_and_add(&row->forks, 1);
	bh_raise_to(&row->tasks_peak, __sync_fetch_and_add(&row->tasks, 1) + 1);
	return 0;
}

/* One pass over all tasks: afterwards the rows of execs have what their tasks used until then. */
SEC("iter/task")
int bh_exec_pass(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bh_exec_task *of = task ? bh_exec_task_of(task) : NULL;
	struct bh_exec *row = of ? bh_exec_row(of) : NULL;

	if (row)
		bh_settle_task(task, of, row);
	return 0;
}
