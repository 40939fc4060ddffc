// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes of others: a pid, pidfd or /proc/PID of one environment used from another, or from
 * an environment towards the host, is refused. From the host everything stays allowed.
 *
 * ptrace_access_check also covers /proc/PID/{mem,root,fd,environ,…}, process_vm_readv,
 * pidfd_getfd and kcmp.
 */
#include "bpf/refuse.bpf.h"

/* `detail`: the signal or request, as the reader of `why` sees it. */
static __always_inline int bh_check_task(struct task_struct *target, __u16 hook, __u8 class_id,
					 __u64 detail)
{
	struct bh_subject subject;
	struct bh_label owner;

	if (!bh_subject_current(&subject))
		return 0;
	owner = bh_label_of(target);
	if (bh_label_equal(owner, subject.label))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = class_id,
		.object_kind = BH_OBJECT_TASK,
		.values = { target->tgid, detail, owner.slot, owner.serial },
		.name = target->comm,
	};
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/task_kill")
int BPF_PROG(bh_task_kill, struct task_struct *target, struct kernel_siginfo *info, int sig)
{
	return bh_check_task(target, BH_HOOK_task_kill, BH_CLASS_SIGNAL, sig);
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(bh_ptrace, struct task_struct *child, unsigned int mode)
{
	return bh_check_task(child, BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, mode);
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(bh_traceme, struct task_struct *parent)
{
	return bh_check_task(parent, BH_HOOK_ptrace_traceme, BH_CLASS_TRACE, 0);
}

SEC("lsm/task_setnice")
int BPF_PROG(bh_setnice, struct task_struct *task, int nice)
{
	return bh_check_task(task, BH_HOOK_task_setnice, BH_CLASS_PROCESS, nice);
}

SEC("lsm/task_setscheduler")
int BPF_PROG(bh_setsched, struct task_struct *task)
{
	return bh_check_task(task, BH_HOOK_task_setscheduler, BH_CLASS_PROCESS, 0);
}

SEC("lsm/task_setioprio")
int BPF_PROG(bh_setioprio, struct task_struct *task, int priority)
{
	return bh_check_task(task, BH_HOOK_task_setioprio, BH_CLASS_PROCESS, priority);
}

SEC("lsm/task_movememory")
int BPF_PROG(bh_movememory, struct task_struct *task)
{
	return bh_check_task(task, BH_HOOK_task_movememory, BH_CLASS_PROCESS, 0);
}

/* prlimit(2) of another process, writing; and setrlimit(2) of its own, which passes. */
SEC("lsm/task_setrlimit")
int BPF_PROG(bh_setrlimit, struct task_struct *task, unsigned int resource)
{
	return bh_check_task(task, BH_HOOK_task_setrlimit, BH_CLASS_PROCESS, resource);
}

/*
 * prlimit(2) reading: only the credentials of the target are shown, so what is outside the
 * environment's range of users is another's.
 */
SEC("lsm/task_prlimit")
int BPF_PROG(bh_prlimit, const struct cred *cred, const struct cred *target)
{
	struct bh_subject subject;
	__u32 uid = target->uid.val;

	if (!bh_subject_current(&subject))
		return 0;
	if (subject.env && uid - subject.env->uid_base < subject.env->uid_count)
		return 0;
	if (subject.env && !subject.env->uid_count)
		return 0;
	return bh_refuse_number(&subject, BH_HOOK_task_prlimit, BH_CLASS_PROCESS, uid);
}
