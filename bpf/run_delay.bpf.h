/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run-queue delay: the kernel keeps it for each task and forgets it with the task. What came new
 * since the last look is added to the task's environment. Looked at whenever the task leaves its
 * CPU, that is one wait.
 */
#ifndef BULKHEAD_RUN_DELAY_BPF_H
#define BULKHEAD_RUN_DELAY_BPF_H

#include "bpf/execs.bpf.h"

/*
 * Only while `task` is on its CPU: then its last wait has ended and is part of the number. The
 * exchange keeps the sum right when the scheduler switches away in the middle of bh_exit.
 */
static __always_inline void bh_add_run_delay(struct task_struct *task, struct bh_task *labelled,
					     struct bh_state *state)
{
	__u64 delay_ns = task->sched_info.run_delay;
	__u64 known_ns = __sync_lock_test_and_set(&labelled->run_delay_ns, delay_ns);
	__u64 wait_ns = delay_ns - known_ns;
	__u32 bucket;

	if (!wait_ns)
		return;
	bucket = bh_wait_bucket(wait_ns);
	__sync_fetch_and_add(&state->counts.run_delay_ns, wait_ns);
	__sync_fetch_and_add(&state->counts.waits[bucket], 1);
	if (labelled->of_exec)
		bh_count_act(BH_EXEC_WAITS, bucket);
}

#endif
