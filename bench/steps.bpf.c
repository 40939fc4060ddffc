// SPDX-License-Identifier: GPL-2.0-only
/*
 * A timeline of the one CPU: who runs, and in which system call. With `-icount` every instruction
 * between two events belongs to exactly one task and call.
 */
#include "bench/steps.h"

#include "bpf/kernel.bpf.h"

char LICENSE[] SEC("license") = "GPL";

__u64 step_ns[STEP_MAX_EVENTS];
__u32 step_pid[STEP_MAX_EVENTS];
__u32 step_what[STEP_MAX_EVENTS];
__u32 step_count;

static __always_inline void step_add(__u32 pid, __u16 kind, __u16 number) {
    __u32 index = __sync_fetch_and_add(&step_count, 1);

    if (index >= STEP_MAX_EVENTS)
        return;
    step_pid[index] = pid;
    step_what[index] = STEP_WHAT(kind, number);
    step_ns[index] = bpf_ktime_get_ns();
}

SEC("tp_btf/sys_enter")
int BPF_PROG(step_enter, struct pt_regs* regs, long number) {
    step_add((__u32)bpf_get_current_pid_tgid(), STEP_ENTER, number);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(step_exit, struct pt_regs* regs, long value) {
    step_add((__u32)bpf_get_current_pid_tgid(), STEP_EXIT, 0);
    return 0;
}

#define PF_KTHREAD 0x00200000

SEC("tp_btf/sched_switch")
int BPF_PROG(step_switch, bool preempt, struct task_struct* from, struct task_struct* to) {
    step_add(to->pid, STEP_SWITCH, (to->flags & PF_KTHREAD) != 0);
    return 0;
}
