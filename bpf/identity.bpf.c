// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identity: every task that a labelled task creates carries the same label from before it can
 * run, and is born in its creator's cgroup; an executing task must still be in its environment's
 * cgroup; the end of the first process leaves its exit status behind.
 *
 * The label is set once from outside (through a pidfd) and nothing removes it: not a new user or
 * PID namespace, not a child cgroup, not a double fork.
 */
#include "bpf/memory_clock.bpf.h"
#include "bpf/refuse.bpf.h"
#include "bpf/run_delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define CLONE_INTO_CGROUP 0x200000000UL

/*
 * An environment whose record is gone, or storage that cannot be had: the task is not created.
 * Nor one born into another cgroup: what checks that there is no hook, and no file is opened.
 */
SEC("lsm/task_alloc")
int BPF_PROG(bh_task_alloc, struct task_struct *task, unsigned long flags)
{
	struct bh_subject subject;
	struct bh_task *child;

	if (!bh_subject_current(&subject))
		return 0;
	if (flags & CLONE_INTO_CGROUP &&
	    bh_refuse_number(&subject, BH_HOOK_task_alloc, BH_CLASS_CGROUPS, flags))
		return -EPERM;
	child = bpf_task_storage_get(&bh_tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!child || !subject.env || !subject.state || !bh_inherit_exec(task, child, flags))
		return -ENOMEM;
	child->label = subject.label;
	__sync_fetch_and_add(&subject.state->counts.forks, 1);
	return 0;
}

/* Flags of a personality turn off randomisation, or make all that is readable executable. */
static __always_inline int bh_check_personality(struct bh_subject *subject)
{
	__u32 personality;

	if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_PERSONALITY))
		return 0;
	personality = bpf_get_current_task_btf()->personality;
	if (!personality)
		return 0;
	return bh_refuse_number(subject, BH_HOOK_bprm_check_security, BH_CLASS_PERSONALITY,
				personality);
}

/* The first one finds the cgroup whose memory is added up over time. */
static __always_inline void bh_count_exec(struct bh_subject *subject)
{
	struct task_struct *task = bpf_get_current_task_btf();

	__sync_fetch_and_add(&subject->state->counts.execs, 1);
	bh_count_act(BH_EXEC_EXECS, 0);
	bh_begin_clock(subject->label,
		       (struct mem_cgroup *)BPF_CORE_READ(
			       task, cgroups,
			       subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]));
}

/*
 * Whoever moved the task out of its environment's cgroup took it out of its limits as well:
 * it may go on, but starts nothing.
 */
SEC("lsm/bprm_check_security")
int BPF_PROG(bh_exec, struct linux_binprm *bprm)
{
	struct bh_subject subject;
	struct bh_request request = {
		.hook = BH_HOOK_bprm_check_security,
		.class_id = BH_CLASS_IDENTITY,
		.object_kind = BH_OBJECT_FILE,
	};

	if (!bh_subject_current(&subject))
		return 0;
	if (subject.env && subject.state)
		bh_count_exec(&subject);
	if (!subject.env || bpf_get_current_ancestor_cgroup_id(subject.env->cgroup_level) !=
				    subject.env->cgroup_id) {
		request.path = bprm->file->f_path.dentry;
		return bh_decide(&subject, &request, -EPERM);
	}
	return bh_check_personality(&subject);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(bh_exit, struct task_struct *task)
{
	struct bh_task *labelled = bh_task_of(task);
	struct bh_subject subject;

	if (!labelled || !labelled->label.serial)
		return 0;
	subject.label = labelled->label;
	bh_subject_resolve(&subject);
	if (!subject.env || !subject.state)
		return 0;
	bh_add_run_delay(task, labelled, subject.state);
	if ((__u32)task->pid != subject.env->init_pid)
		return 0;
	subject.state->exit_status = task->exit_code;
	subject.state->exited_ns = bpf_ktime_get_boot_ns();
	return 0;
}
