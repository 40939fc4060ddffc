// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run-queue delay: how long the tasks of an environment were runnable and waited for a CPU, added
 * up whenever a task leaves the CPU. The last time of all is in bh_exit: who waits for a task may
 * read the sum before the scheduler switches away from it.
 */
#include "bpf/run_delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_switch")
int BPF_PROG(bh_switch, bool preempt, struct task_struct *prev)
{
	struct bh_task *task = bh_task_of(prev);
	struct bh_subject subject;

	if (!task || !task->label.serial || prev->sched_info.run_delay == task->run_delay_ns)
		return 0;
	subject.label = task->label;
	bh_subject_resolve(&subject);
	if (subject.state)
		bh_add_run_delay(prev, task, subject.state);
	return 0;
}
