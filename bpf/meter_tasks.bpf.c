// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the scheduler does to the tasks of an environment, looked at whenever one leaves a CPU: how
 * long it had waited for it (run-queue delay, as a sum and by length), and for whom it has to leave
 * although it could go on. Also a step of its memory over time. The last time of all is in bh_exit:
 * who waits for a task may read the sum before the scheduler switches away from it. What an exec's
 * task used is complete only then, so that it is added to its exec here.
 */
#include "bpf/execs.bpf.h"
#include "bpf/memory_clock.bpf.h"
#include "bpf/run_delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * Tasks of one cgroup, as most of one environment are, need not be looked up. One that the host
 * moved there has no storage.
 */
static __always_inline __u32 bh_preemptor(struct task_struct *prev, struct task_struct *next,
					  struct bh_label label)
{
	struct bh_label by;

	if (prev->cgroups == next->cgroups && next->bpf_storage)
		return BH_PREEMPTED_BY_ITSELF;
	by = bh_label_of(next);
	if (!by.serial)
		return BH_PREEMPTED_BY_HOST;
	return bh_label_equal(by, label) ? BH_PREEMPTED_BY_ITSELF : BH_PREEMPTED_BY_OTHERS;
}

/*
 * The clock of the task's environment when a step of it is due; else NULL. Told by the time at
 * which the scheduler charged the task last, which is now: asking for the time costs as much as all
 * else.
 */
static __always_inline struct bh_clock *bh_clock_due(const struct task_struct *task,
						     struct bh_label label)
{
	__u64 now_ns = task->se.exec_start;
	__u32 slot = label.slot;
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);

	if (!clock || clock->serial != label.serial ||
	    now_ns - clock->switched_ns < BH_CLOCK_SHORTEST_NS)
		return NULL;
	clock->switched_ns = now_ns;
	return clock;
}

/* How long the task was on its CPU. */
static __always_inline __u64 bh_slice_ns(const struct task_struct *task)
{
	return task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
}

/* Involuntary is what the kernel counts as such in nivcsw: the task was still runnable. */
SEC("tp_btf/sched_switch")
int BPF_PROG(bh_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct bh_task *task = bh_task_of(prev);
	bool involuntary = preempt || !prev_state;
	struct bh_subject subject;
	struct bh_clock *clock;
	__u32 by;

	if (!task || !task->label.serial)
		return 0;
	if (prev_state == BH_TASK_DEAD)
		bh_end_exec_task(prev);
	clock = bh_clock_due(prev, task->label);
	if (!clock && !involuntary && prev->sched_info.run_delay == task->run_delay_ns)
		return 0;
	subject.label = task->label;
	bh_subject_resolve(&subject);
	if (!subject.env || !subject.state)
		return 0;
	bh_add_run_delay(prev, task, subject.state);
	if (clock)
		bh_clock_step(clock, subject.env, subject.state, bh_slice_ns(prev));
	if (!involuntary)
		return 0;
	by = bh_preemptor(prev, next, task->label);
	__sync_fetch_and_add(&subject.state->counts.preempted[by], 1);
	if (task->of_exec)
		bh_count_act(BH_EXEC_PREEMPTED, by);
	return 0;
}
