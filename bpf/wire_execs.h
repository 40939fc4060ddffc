/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Part of wire.h: what somebody started in an environment that ran already (`exec`), and what that
 * and all its descendants used.
 */
#ifndef BULKHEAD_WIRE_EXECS_H
#define BULKHEAD_WIRE_EXECS_H

#include "bpf/wire.h"

#define BH_MAX_EXECS 8192 /* that run, or ended and are not stored */
#define BH_COMMAND_BYTES 64

/* What the kernel counts for each task by itself and forgets with it. */
struct bh_task_counts {
	__u64 cpu_ns; /* user and system as the scheduler has them */
	__u64 cpu_user_sampled_ns; /* by timer tick; cpu_ns is divided in their proportion */
	__u64 cpu_system_sampled_ns;
	__u64 run_delay_ns;
	__u64 voluntary_switches;
	__u64 involuntary_switches;
	__u64 minor_faults;
	__u64 major_faults;
	__u64 read_bytes; /* that it made a disk read; 0 without CONFIG_TASK_IO_ACCOUNTING */
	__u64 written_bytes; /* of pages that it made dirty, in files that lie on a disk */
};
BH_ASSERT_SIZE(struct bh_task_counts, 80);

enum bh_exec_task_flags {
	BH_EXEC_FIRST = 1 << 0, /* a thread of the process that was asked for */
	BH_EXEC_LIVES = 1 << 1, /* it is one of bh_exec.tasks */
};

/* Value of bh_exec_tasks (task storage): of which exec a task is. Inherited like the label. */
struct bh_exec_task {
	__u64 number;
	__u64 flags; /* bh_exec_task_flags */
	struct bh_task_counts counted; /* what of the task is in the row */
};
BH_ASSERT_SIZE(struct bh_exec_task, 96);

/* Value of bh_exec_socks (socket storage): which exec made the socket, or the one that took it. */
struct bh_exec_sock {
	__u64 number;
};
BH_ASSERT_SIZE(struct bh_exec_sock, 8);

/*
 * Value of bh_execs, by the exec's number, which is used once in a load. Made by user space before
 * the first process can run, and there until its receipt is stored; all other changes are the
 * kernel's.
 */
struct bh_exec {
	struct bh_label label;
	__u64 started_ns; /* CLOCK_BOOTTIME */
	__u64 exited_ns; /* at which the first process was gone; 0: it lives */
	__u64 ended_ns; /* at which the last task was; 0: it runs. Nothing changes any more */
	__u32 exit_status; /* of the first process, as wait(2) gives it */
	__u32 pid; /* of it, on the host */
	__u64 tasks; /* now, threads included */
	__u64 tasks_peak;
	__u64 forks; /* tasks that were created */
	__u64 execs; /* 0: its command was never executed */
	__u64 connects[BH_FAMILY_COUNT];
	__u64 largest_pages; /* resident, at most, of any one process that has ended */
	struct bh_task_counts counts; /* of tasks that are gone, or as of the last pass over them */
	__u64 cpu_nice_sampled_ns; /* what of cpu_user_sampled_ns was at a raised nice value */
	struct bh_traffic traffic[BH_DIRECTION_COUNT]
				 [BH_FAMILY_COUNT]; /* of its sockets, at once */
	__u64 waits[BH_WAIT_BUCKETS]; /* as in bh_counts, and at once */
	__u64 preempted[BH_PREEMPTOR_COUNT];
	__u64 refused[BH_MAX_CLASSES];
	__u64 audited[BH_MAX_CLASSES];
	char environment[BH_NAME_BYTES];
	char command[BH_COMMAND_BYTES]; /* its first word, cut */
};
BH_ASSERT_SIZE(struct bh_exec, 1176);

#endif
