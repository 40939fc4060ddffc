// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adoption: what runs already is labelled, and so is whatever enters the cgroup from outside later:
 * moved there, or created there by somebody else (CLONE_INTO_CGROUP).
 *
 * No race with fork. bh_adopt_move is attached before the pass over all tasks, and the kernel calls
 * it for each new task after the task can be found. So a task that the pass did not meet was seen
 * there, before its first instruction.
 *
 * A fork that is under way has the label already and cannot be found yet. So labels come off only
 * when a pass has found everything frozen: what is frozen is not in the middle of a fork, and what
 * it created before can be found by the next pass. cgroup.events is not enough: the kernel calls a
 * cgroup frozen as soon as all cgroups below it are, whatever its own tasks do.
 */
#include "bpf/identity.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define BH_MAX_CGROUP_DEPTH 32
#define BH_PF_EXITING 0x4

/* The environment that adopted `cgroup` or one above it. NULL: none. */
static __always_inline struct bh_environment *bh_adopter(struct cgroup *cgroup,
							 struct bh_label *label)
{
	int depth;

	for (depth = 0; depth < BH_MAX_CGROUP_DEPTH && cgroup; depth++) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);
		struct bh_label *owner = bpf_map_lookup_elem(&bh_cgroups, &id);

		if (owner) {
			__u32 slot = owner->slot;
			struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);

			if (!env || env->serial != owner->serial || !(env->flags & BH_ENV_ADOPTED))
				return NULL;
			*label = *owner;
			return env;
		}
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return NULL;
}

/* A task that is another environment's already stays that. True: it is let go. */
static __always_inline bool bh_adopt(struct task_struct *task, struct cgroup *cgroup)
{
	struct bh_task *found = bh_task_of(task);
	struct bh_label label = {};
	struct bh_environment *env = bh_adopter(cgroup, &label);

	if (!env)
		return false;
	if (env->flags & BH_ENV_RELEASING) {
		if (found && bh_label_equal(found->label, label))
			bpf_task_storage_delete(&bh_tasks, task);
		return true;
	}
	if (found && found->label.serial)
		return false;
	found = bpf_task_storage_get(&bh_tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!found) {
		__u32 slot = label.slot;
		struct bh_state *state = bpf_map_lookup_elem(&bh_states, &slot);

		if (state)
			__sync_fetch_and_add(&state->internal, 1);
		return false;
	}
	found->run_delay_ns = task->sched_info.run_delay;
	found->label = label;
	return false;
}

/* For each task that is put into a cgroup, at fork and when it is moved. */
SEC("fentry/cgroup_move_task")
int BPF_PROG(bh_adopt_move, struct task_struct *task, struct css_set *to)
{
	bh_adopt(task, BPF_CORE_READ(to, dfl_cgrp));
	return 0;
}

static __always_inline bool bh_may_fork(struct task_struct *task)
{
	return !BPF_CORE_READ_BITFIELD_PROBED(task, frozen) && !(task->flags & BH_PF_EXITING);
}

/* One pass over all tasks, threads included. Writes a byte for each that is let go and may fork. */
SEC("iter/task")
int bh_adopt_pass(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	char mark = '.';

	if (task && bh_adopt(task, BPF_CORE_READ(task, cgroups, dfl_cgrp)) && bh_may_fork(task))
		bpf_seq_write(ctx->meta->seq, &mark, sizeof mark);
	return 0;
}
