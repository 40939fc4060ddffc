// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes of others: a pid, pidfd or /proc/PID of one environment used from another, or from
 * an environment towards the host, is refused; signals pass where both policies say so. From the
 * host everything stays allowed.
 *
 * Among an environment's own processes all is allowed but what a policy refuses: debugging, raised
 * priority, core dumps.
 *
 * ptrace_access_check also covers /proc/PID/{mem,root,fd,environ,…}, process_vm_readv,
 * pidfd_getfd and kcmp.
 */
#include "bpf/peers.bpf.h"
#include "bpf/decide.h"
#include "bpf/decide_privilege.h"
#include "bpf/syscall.bpf.h"

/* How an act is judged: by which class on a task of others, by which on one of its own. */
struct bh_act {
	__u16 hook;
	__u8 class_id;
	__u8 own_class;
	bool own; /* a policy may refuse it on the own */
	__u32 peer_act;
	__u64 detail; /* the signal or request, as the reader of `why` sees it */
};

static __always_inline int bh_check_task(struct task_struct *target, struct bh_act act)
{
	struct bh_subject subject;
	struct bh_label owner;

	if (!bh_subject_current(&subject))
		return 0;
	owner = bh_label_of(target);
	if (bh_label_equal(owner, subject.label)) {
		if (!act.own || !BH_CONTROL_REFUSES(subject.control, act.own_class))
			return 0;
		act.class_id = act.own_class;
	}

	struct bh_request request = {
		.hook = act.hook,
		.class_id = act.class_id,
		.object_kind = BH_OBJECT_TASK,
		.peer_act = act.peer_act,
		.values = { target->tgid, act.detail, owner.slot, owner.serial },
		.name = target->comm,
	};
	return bh_decide_on_peer(&subject, &request, -EPERM);
}

SEC("lsm/task_kill")
int BPF_PROG(bh_task_kill, struct task_struct *target, struct kernel_siginfo *info, int sig)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_kill,
		.class_id = BH_CLASS_SIGNAL,
		.peer_act = BH_PEER_SIGNAL,
		.detail = sig,
	};

	return bh_check_task(target, act);
}

/* The process's id as it counts itself: in its own PID namespace. */
static __always_inline __s32 bh_own_pid(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pid *pid = BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid id = {};

	bpf_probe_read_kernel(&id, bpf_core_type_size(struct upid),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid));
	return id.nr;
}

/*
 * Who gets a descriptor's signals is sent any signal (F_SETSIG), and not through task_kill: when
 * it is sent, the one who asked is not there any more.
 */
SEC("lsm/file_fcntl")
int BPF_PROG(bh_fcntl, struct file *file, unsigned int cmd, unsigned long owner)
{
	struct bh_subject subject;

	if (!bh_fcntl_names_owner(cmd) || !bh_subject_current(&subject))
		return 0;
	if (subject.env && bh_owner_is_own(cmd, (__s32)owner, bh_own_pid()))
		return 0;
	return bh_refuse_number(&subject, BH_HOOK_file_fcntl, BH_CLASS_SIGNAL, (__u32)owner);
}

/* Debugging is attaching. Reading what /proc shows of the own processes, as ps does, is not. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(bh_ptrace, struct task_struct *child, unsigned int mode)
{
	struct bh_act act = {
		.hook = BH_HOOK_ptrace_access_check,
		.class_id = BH_CLASS_TRACE,
		.own_class = BH_CLASS_DEBUG,
		.own = mode & BH_PTRACE_MODE_ATTACH &&
		       child->tgid != bpf_get_current_task_btf()->tgid,
		.detail = mode,
	};

	return bh_check_task(child, act);
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(bh_traceme, struct task_struct *parent)
{
	struct bh_act act = {
		.hook = BH_HOOK_ptrace_traceme,
		.class_id = BH_CLASS_TRACE,
		.own_class = BH_CLASS_DEBUG,
		.own = true,
	};

	return bh_check_task(parent, act);
}

SEC("lsm/task_setnice")
int BPF_PROG(bh_setnice, struct task_struct *task, int nice)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_setnice,
		.class_id = BH_CLASS_PROCESS,
		.own_class = BH_CLASS_PRIORITY,
		.own = nice < task->static_prio - BH_NICE_BASE,
		.detail = nice,
	};

	bh_settle_before(task);
	return bh_check_task(task, act);
}

/*
 * The hook does not say what is asked for, and is asked for affinity too. A policy lies in a
 * register; the attributes of sched_setattr() lie in memory that another thread could change after
 * the kernel has read it, so that call is refused whatever it says.
 */
static __always_inline bool bh_asks_realtime(struct task_struct *task)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(current);

	switch (bh_scheduling_call(current, regs)) {
	case BH_CALL_OTHER:
		return false;
	case BH_CALL_SETPARAM:
		return bh_policy_is_realtime(task->policy);
	case BH_CALL_SETSCHEDULER:
		return bh_policy_is_realtime(PT_REGS_PARM2_CORE_SYSCALL(regs));
	default:
		return true;
	}
}

SEC("lsm/task_setscheduler")
int BPF_PROG(bh_setsched, struct task_struct *task)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_setscheduler,
		.class_id = BH_CLASS_PROCESS,
		.own_class = BH_CLASS_PRIORITY,
	};

	bh_settle_before(task);
	/* Only a labelled task can be one's own. */
	if (task->bpf_storage)
		act.own = bh_asks_realtime(task);
	return bh_check_task(task, act);
}

SEC("lsm/task_setioprio")
int BPF_PROG(bh_setioprio, struct task_struct *task, int priority)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_setioprio,
		.class_id = BH_CLASS_PROCESS,
		.own_class = BH_CLASS_PRIORITY,
		.own = bh_ioprio_is_realtime(priority),
		.detail = priority,
	};

	return bh_check_task(task, act);
}

SEC("lsm/task_movememory")
int BPF_PROG(bh_movememory, struct task_struct *task)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_movememory,
		.class_id = BH_CLASS_PROCESS,
	};

	return bh_check_task(task, act);
}

/* prlimit(2) of another process, writing; and setrlimit(2) of its own, which passes. */
SEC("lsm/task_setrlimit")
int BPF_PROG(bh_setrlimit, struct task_struct *task, unsigned int resource, struct rlimit *limit)
{
	struct bh_act act = {
		.hook = BH_HOOK_task_setrlimit,
		.class_id = BH_CLASS_PROCESS,
		.own_class = BH_CLASS_CORE_DUMPS,
		.own = bh_limit_dumps_core(resource, limit->rlim_cur),
		.detail = resource,
	};

	return bh_check_task(task, act);
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
