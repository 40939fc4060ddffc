/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the present system call was asked, where a hook does not say: the number and arguments in
 * registers, which no other thread can change. What they point to, one can.
 */
#ifndef BULKHEAD_SYSCALL_BPF_H
#define BULKHEAD_SYSCALL_BPF_H

#include "bpf/kernel.bpf.h"

/* The calls that change how a task is scheduled. */
enum bh_scheduling_call {
	BH_CALL_OTHER,
	BH_CALL_SETPARAM,
	BH_CALL_SETSCHEDULER,
	BH_CALL_SETATTR,
	BH_CALL_COMPAT, /* one of them from 32 bits: its arguments lie elsewhere */
};

/* The calls that lock files. */
enum bh_lock_call {
	BH_CALL_RECORD_LOCK,
	BH_CALL_FLOCK,
	BH_CALL_LEASE,
};

#define F_SETLEASE 1024

#if defined(__TARGET_ARCH_x86)

#define BH_TS_COMPAT 2
#define BH_X32_BIT 0x40000000

static __always_inline int bh_scheduling_call(struct task_struct *task, struct pt_regs *regs)
{
	__u32 number = (__u32)BPF_CORE_READ(regs, orig_ax);

	if (BPF_CORE_READ(task, thread_info.status) & BH_TS_COMPAT)
		return number == 154 || number == 156 || number == 351 ? BH_CALL_COMPAT
								       : BH_CALL_OTHER;
	switch (number & ~BH_X32_BIT) {
	case 142:
		return BH_CALL_SETPARAM;
	case 144:
		return BH_CALL_SETSCHEDULER;
	case 314:
		return BH_CALL_SETATTR;
	default:
		return BH_CALL_OTHER;
	}
}

static __always_inline enum bh_lock_call bh_lock_call(struct task_struct *task,
						      struct pt_regs *regs)
{
	bool is_compat = BPF_CORE_READ(task, thread_info.status) & BH_TS_COMPAT;
	__u32 number = (__u32)BPF_CORE_READ(regs, orig_ax);
	__u32 command = is_compat ? BPF_CORE_READ(regs, cx) : BPF_CORE_READ(regs, si);

	if (is_compat ? number == 143 : (number & ~BH_X32_BIT) == 73)
		return BH_CALL_FLOCK;
	return command == F_SETLEASE ? BH_CALL_LEASE : BH_CALL_RECORD_LOCK;
}

/* The descriptor that inotify_add_watch is asked for; -1: another call. */
static __always_inline int bh_watching_descriptor(struct task_struct *task, struct pt_regs *regs)
{
	__u32 number = (__u32)BPF_CORE_READ(regs, orig_ax);

	if (BPF_CORE_READ(task, thread_info.status) & BH_TS_COMPAT)
		return number == 292 ? (int)BPF_CORE_READ(regs, bx) : -1;
	return (number & ~BH_X32_BIT) == 254 ? (int)BPF_CORE_READ(regs, di) : -1;
}

#elif defined(__TARGET_ARCH_arm64)

#define BH_TIF_32BIT (1UL << 22)

static __always_inline int bh_scheduling_call(struct task_struct *task, struct pt_regs *regs)
{
	__u32 number = (__u32)BPF_CORE_READ(regs, syscallno);

	if (BPF_CORE_READ(task, thread_info.flags) & BH_TIF_32BIT)
		return number == 154 || number == 156 || number == 380 ? BH_CALL_COMPAT
								       : BH_CALL_OTHER;
	switch (number) {
	case 118:
		return BH_CALL_SETPARAM;
	case 119:
		return BH_CALL_SETSCHEDULER;
	case 274:
		return BH_CALL_SETATTR;
	default:
		return BH_CALL_OTHER;
	}
}

static __always_inline enum bh_lock_call bh_lock_call(struct task_struct *task,
						      struct pt_regs *regs)
{
	bool is_compat = BPF_CORE_READ(task, thread_info.flags) & BH_TIF_32BIT;
	__u32 number = (__u32)BPF_CORE_READ(regs, syscallno);

	if (number == (is_compat ? 143 : 32))
		return BH_CALL_FLOCK;
	return (__u32)BPF_CORE_READ((struct user_pt_regs *)regs, regs[1]) == F_SETLEASE
		       ? BH_CALL_LEASE
		       : BH_CALL_RECORD_LOCK;
}

/* As above. The first argument stands apart, as its register is that of the result. */
static __always_inline int bh_watching_descriptor(struct task_struct *task, struct pt_regs *regs)
{
	__u32 number = (__u32)BPF_CORE_READ(regs, syscallno);
	__u32 wanted = BPF_CORE_READ(task, thread_info.flags) & BH_TIF_32BIT ? 317 : 27;

	return number == wanted ? (int)BPF_CORE_READ(regs, orig_x0) : -1;
}

#endif

#endif
