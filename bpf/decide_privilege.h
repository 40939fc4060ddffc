/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on what a process may become. Compiles as C for the programs and as C++ for the
 * unit tests.
 */
#ifndef BULKHEAD_DECIDE_PRIVILEGE_H
#define BULKHEAD_DECIDE_PRIVILEGE_H

#include "bpf/decide.h"

enum bh_privilege_numbers {
	BH_PTRACE_MODE_ATTACH = 2,
	BH_NICE_BASE = 120, /* static_prio of nice 0 */
	BH_IOPRIO_CLASS_SHIFT = 13,
	BH_IOPRIO_CLASS_REALTIME = 1,
	BH_RLIMIT_CORE = 4,
	BH_SCHED_FIFO = 1,
	BH_SCHED_RR = 2,
	BH_SCHED_DEADLINE = 6,
	BH_SCHED_RESET_ON_FORK = 0x40000000,
};

BH_PURE int bh_policy_is_realtime(__u32 policy)
{
	policy &= ~0U ^ BH_SCHED_RESET_ON_FORK;
	return policy == BH_SCHED_FIFO || policy == BH_SCHED_RR || policy == BH_SCHED_DEADLINE;
}

BH_PURE int bh_ioprio_is_realtime(int priority)
{
	return (priority >> BH_IOPRIO_CLASS_SHIFT & 7) == BH_IOPRIO_CLASS_REALTIME;
}

/*
 * A limit of 1 byte stops a core file and, unlike 0, the pipe of core_pattern as well; so no
 * program may go beyond it.
 */
BH_PURE int bh_limit_dumps_core(__u32 resource, __u64 soft)
{
	return resource == BH_RLIMIT_CORE && soft > 1;
}

/* What executing a file would make of the process: ids and permitted capabilities. */
struct bh_ids {
	__u32 euid;
	__u32 egid;
	__u64 permitted;
};

/*
 * `secure`: the kernel saw a change, or capabilities that come from the file. Root gets its
 * capabilities back at any exec, without that.
 */
BH_PURE int bh_file_gives_privilege(const struct bh_ids *before, const struct bh_ids *after,
				    int secure)
{
	if (before->euid != after->euid || before->egid != after->egid)
		return 1;
	return secure && (after->permitted & ~before->permitted);
}

/* Whether the policy's set `kept` lacks the capability. */
BH_PURE int bh_capability_is_dropped(__u64 kept, int capability)
{
	return !(kept >> (capability & 63) & 1);
}

#endif
