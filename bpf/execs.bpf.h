/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was started by `exec` has a row of its own: each of its tasks, however detached, has the
 * exec's number beside its label. What the kernel keeps of a task is added to the row when the task
 * is gone, so that nothing is paid for it while it runs; what is counted by acts, at once.
 */
#ifndef BULKHEAD_EXECS_BPF_H
#define BULKHEAD_EXECS_BPF_H

#include "bpf/identity.bpf.h"

#define BH_CLONE_THREAD 0x10000UL
#define BH_PRIORITY_OF_NICE_0 120 /* static_prio */
#define BH_TASK_DEAD 0x80
#define BH_SIGNAL_GROUP_EXIT 0x4
#define BH_EXEC_TRIES 4

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_exec_task);
} bh_exec_tasks SEC(".maps") __weak;

/* Not preallocated: without an exec it costs nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_EXECS);
	__type(key, __u64);
	__type(value, struct bh_exec);
} bh_execs SEC(".maps") __weak;

/* An accepted connection gets what the listening socket has. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct bh_exec_sock);
} bh_exec_socks SEC(".maps") __weak;

static __always_inline struct bh_exec_task *bh_exec_task_of(struct task_struct *task)
{
	if (!task->bpf_storage)
		return NULL;
	return bpf_task_storage_get(&bh_exec_tasks, task, NULL, 0);
}

static __always_inline struct bh_exec *bh_exec_row(struct bh_exec_task *of)
{
	__u64 number = of->number;

	return bpf_map_lookup_elem(&bh_execs, &number);
}

/* False: there is no memory for it, and the task must not be created. */
static __always_inline bool bh_inherit_exec(struct task_struct *child, struct bh_task *labelled,
					    unsigned long clone_flags)
{
	struct bh_exec_task *parent = bh_exec_task_of(bpf_get_current_task_btf()), *of;

	if (!parent)
		return true;
	of = bpf_task_storage_get(&bh_exec_tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!of)
		return false;
	of->flags = clone_flags & BH_CLONE_THREAD ? parent->flags & BH_EXEC_FIRST : 0;
	of->number = parent->number;
	labelled->of_exec = 1;
	return true;
}

enum bh_exec_act {
	BH_EXEC_EXECS,
	BH_EXEC_CONNECTS, /* index: bh_family */
	BH_EXEC_WAITS, /* index: of a bucket */
	BH_EXEC_PREEMPTED, /* index: bh_preemptor */
	BH_EXEC_REFUSED, /* index: bh_class */
	BH_EXEC_AUDITED,
};

static __always_inline void bh_count_in_row(struct bh_exec *row, __u32 act, __u32 index)
{
	__u64 *counts = act == BH_EXEC_REFUSED ? row->refused : row->audited;

	if (act == BH_EXEC_EXECS)
		__sync_fetch_and_add(&row->execs, 1);
	else if (act == BH_EXEC_CONNECTS)
		__sync_fetch_and_add(&row->connects[index & 1], 1);
	else if (act == BH_EXEC_WAITS)
		__sync_fetch_and_add(&row->waits[index & 15], 1);
	else if (act == BH_EXEC_PREEMPTED)
		__sync_fetch_and_add(&row->preempted[index & 3], 1);
	else if (index < BH_MAX_CLASSES) {
		/* As in bh_settle_by(): the bound is lost with the register, hence the masks. */
		barrier_var(index);
		__sync_fetch_and_add(&counts[index & 63], 1);
	}
}

/* One more act of the task, for its exec if it is of one. */
static __always_inline void bh_count_act_of(struct task_struct *task, __u32 act, __u32 index)
{
	struct bh_exec_task *of = bh_exec_task_of(task);
	struct bh_exec *row = of ? bh_exec_row(of) : NULL;

	if (row)
		bh_count_in_row(row, act, index);
}

/* Of the current task. */
__weak __noinline int bh_count_act(__u32 act, __u32 index)
{
	bh_count_act_of(bpf_get_current_task_btf(), act, index);
	return 0;
}

static __always_inline void bh_raise_to(__u64 *most, __u64 value)
{
	int i;

	for (i = 0; i < BH_EXEC_TRIES; i++) {
		__u64 now = *(volatile __u64 *)most;

		if (value <= now || __sync_val_compare_and_swap(most, now, value) == now)
			return;
	}
}

/*
 * What came new, which it returns. A pass over the tasks and the task's own end may do so at once:
 * the mark only goes forward, and whoever moves it adds.
 */
static __always_inline __u64 bh_add_new(__u64 *counted, __u64 *sum, __u64 now)
{
	int i;

	for (i = 0; i < BH_EXEC_TRIES; i++) {
		__u64 before = *(volatile __u64 *)counted;

		if (now <= before)
			return 0;
		if (__sync_val_compare_and_swap(counted, before, now) == before) {
			__sync_fetch_and_add(sum, now - before);
			return now - before;
		}
	}
	return 0;
}

static __always_inline void bh_settle_task(struct task_struct *task, struct bh_exec_task *of,
					   struct bh_exec *row)
{
	struct bh_task_counts *counted = &of->counted, *sums = &row->counts;
	__u64 user_ns;

	bh_add_new(&counted->cpu_ns, &sums->cpu_ns, task->se.sum_exec_runtime);
	user_ns =
		bh_add_new(&counted->cpu_user_sampled_ns, &sums->cpu_user_sampled_ns, task->utime);
	if (task->static_prio > BH_PRIORITY_OF_NICE_0)
		__sync_fetch_and_add(&row->cpu_nice_sampled_ns, user_ns);
	bh_add_new(&counted->cpu_system_sampled_ns, &sums->cpu_system_sampled_ns, task->stime);
	bh_add_new(&counted->run_delay_ns, &sums->run_delay_ns, task->sched_info.run_delay);
	bh_add_new(&counted->voluntary_switches, &sums->voluntary_switches, task->nvcsw);
	bh_add_new(&counted->involuntary_switches, &sums->involuntary_switches, task->nivcsw);
	bh_add_new(&counted->minor_faults, &sums->minor_faults, task->min_flt);
	bh_add_new(&counted->major_faults, &sums->major_faults, task->maj_flt);
	if (!bpf_core_field_exists(task->ioac.read_bytes))
		return;
	bh_add_new(&counted->read_bytes, &sums->read_bytes, task->ioac.read_bytes);
	bh_add_new(&counted->written_bytes, &sums->written_bytes, task->ioac.write_bytes);
}

/* What it has used so far was at another nice value. */
static __always_inline void bh_settle_before(struct task_struct *task)
{
	struct bh_exec_task *of = bh_exec_task_of(task);
	struct bh_exec *row = of ? bh_exec_row(of) : NULL;

	if (row)
		bh_settle_task(task, of, row);
}

/* As wait(2) has it: where all threads are ended at once, it is by one status. */
static __always_inline void bh_note_exit(struct task_struct *task, struct bh_exec *row,
					 __u64 now_ns)
{
	struct signal_struct *signal = task->signal;

	if (signal->flags & BH_SIGNAL_GROUP_EXIT)
		row->exit_status = signal->group_exit_code;
	else if (task->pid == task->tgid)
		row->exit_status = task->exit_code;
	else
		return;
	*(volatile __u64 *)&row->exited_ns = now_ns;
}

/* The scheduler switches away from `task` for good: it used what it ever will. */
static __always_inline void bh_end_exec_task(struct task_struct *task)
{
	struct bh_exec_task *of = bh_exec_task_of(task);
	struct bh_exec *row = of ? bh_exec_row(of) : NULL;
	__u64 now_ns;

	if (!row)
		return;
	now_ns = bpf_ktime_get_boot_ns();
	bh_settle_task(task, of, row);
	bh_raise_to(&row->largest_pages, task->signal->maxrss);
	if (of->flags & BH_EXEC_FIRST)
		bh_note_exit(task, row, now_ns);
	if (of->flags & BH_EXEC_LIVES && __sync_fetch_and_add(&row->tasks, -1ULL) == 1)
		*(volatile __u64 *)&row->ended_ns = now_ns;
}

#endif
