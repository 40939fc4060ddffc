/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a task to its environment. A task that nobody labelled costs one load: its storage
 * pointer is NULL.
 */
#ifndef BULKHEAD_IDENTITY_BPF_H
#define BULKHEAD_IDENTITY_BPF_H

#include "bpf/maps.bpf.h"

/* Who acts, and by which published control word. Valid only when bh_subject_current() said so. */
struct bh_subject {
	struct bh_label label;
	__u64 control;
	struct bh_environment *env; /* NULL: the record was withdrawn; refuse everything */
	struct bh_state *state; /* NULL like env */
};

/* All classes, enforced: what a task is held to whose environment's record is gone. */
#define BH_CONTROL_REFUSE_ALL ((1ULL << BH_MAX_CLASSES) - 1)

static __always_inline struct bh_task *bh_task_of(struct task_struct *task)
{
	if (!task->bpf_storage)
		return NULL;
	return bpf_task_storage_get(&bh_tasks, task, NULL, 0);
}

/* Fills in `subject` from its label. Reads the record's control word once. */
static __always_inline void bh_subject_resolve(struct bh_subject *subject)
{
	__u32 slot = subject->label.slot;
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);

	subject->env = NULL;
	subject->state = NULL;
	subject->control = BH_CONTROL_REFUSE_ALL;
	if (!env || env->serial != subject->label.serial)
		return;
	subject->env = env;
	subject->state = bpf_map_lookup_elem(&bh_states, &slot);
	subject->control = *(volatile __u64 *)&env->control;
}

/* How often a hook begins again because another policy was published meanwhile. */
#define BH_MAX_TRIES 4

/*
 * False when the control word that `subject` was resolved by is no longer the published one. The
 * rows of a generation are deleted, and their memory used for others, only after the word names
 * another: asked after reading rows, and before acting by them, this tells that all of them were of
 * one policy. Loads stay in their order on x86-64; other machines need a barrier here.
 */
static __always_inline bool bh_is_current(const struct bh_subject *subject)
{
	struct bh_environment *env = subject->env;

	if (!env)
		return true;
	barrier();
	return *(volatile __u64 *)&env->control == subject->control &&
	       *(volatile __u32 *)&env->serial == subject->label.serial;
}

/* True when the current task belongs to an environment; false: not ours, allow. */
static __always_inline bool bh_subject_current(struct bh_subject *subject)
{
	struct bh_task *task = bh_task_of(bpf_get_current_task_btf());

	if (!task || !task->label.serial)
		return false;
	subject->label = task->label;
	bh_subject_resolve(subject);
	return true;
}

static __always_inline bool bh_label_equal(struct bh_label a, struct bh_label b)
{
	return a.slot == b.slot && a.serial == b.serial;
}

/* NULL: that environment ended. */
static __always_inline struct bh_environment *bh_living(struct bh_label label)
{
	__u32 slot = label.slot;
	struct bh_environment *env;

	if (!label.serial)
		return NULL;
	env = bpf_map_lookup_elem(&bh_envs, &slot);
	return env && *(volatile __u32 *)&env->serial == label.serial ? env : NULL;
}

/* The label of any task; serial 0 for one of the host. */
static __always_inline struct bh_label bh_label_of(struct task_struct *task)
{
	struct bh_label none = {};
	struct bh_task *found = bh_task_of(task);

	return found ? found->label : none;
}

#endif
