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

#endif

#endif
