/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Part of the wire beside wire.h: budgets, amounts that an environment may use in a period, and the
 * arithmetic of periods that programs and readers share.
 */
#ifndef BULKHEAD_WIRE_BUDGETS_H
#define BULKHEAD_WIRE_BUDGETS_H

#include "bpf/wire.h"

/* What is counted: X(ENUM, name, the unit that the programs count in). Append-only. */
#define BH_BUDGETS(X)                                                                              \
	X(PROCESSES, processes, "processes and programs started")                                  \
	X(EGRESS, egress, "bytes sent")                                                            \
	X(CPU, cpu, "microseconds of CPU time")                                                    \
	X(MEMORY, memory, "pages of 4096 bytes, times seconds")                                    \
	X(WALL, wall, "milliseconds")

enum bh_budget_kind {
#define BH_BUDGET_ENUM(id, name, unit) BH_BUDGET_##id,
	BH_BUDGETS(BH_BUDGET_ENUM)
#undef BH_BUDGET_ENUM
		BH_BUDGET_COUNT
};

#define BH_MAX_BUDGETS 8

/*
 * Append-only, and the later one is the harder one. What is behind REFUSE is carried out by user
 * space; that nothing begins meanwhile, where it will stand still or end anyway, is the programs'.
 */
enum bh_budget_action {
	BH_ON_EVENT, /* it is recorded, and nothing is refused */
	BH_ON_REFUSE, /* no fork, no exec and no packet for the rest of the period */
	BH_ON_THROTTLE, /* refuses nothing; less CPU for the rest of the period */
	BH_ON_PAUSE, /* refuses, and is frozen for the rest of the period */
	BH_ON_STOP, /* refuses, also when the period is over, and is ended */
	BH_ON_COUNT
};

/*
 * What is used in a period is one word, {the period's number modulo 4096, used}, changed by
 * compare-and-swap: whoever comes first in a new period begins it, and nothing is lost at its edge.
 */
#define BH_SPENT_BITS 52
#define BH_SPENT_MOST ((1ULL << BH_SPENT_BITS) - 1)

#define BH_NEVER (~0ULL) /* of `warn`: no warning; of `counted`: counts from the next look on */

/* `spent`, `counted` and what stands behind `on_exceed` are the kernel's, the others user space's.
 */
struct bh_budget {
	__u64 spent;
	__u64 counted; /* CPU, MEMORY, WALL: how much of the running count is in `spent` */
	__u64 amount;
	__u64 warn; /* used, at which a warning is recorded */
	__u64 origin_ns; /* CLOCK_BOOTTIME of an edge between periods; also before the boot */
	__u64 period_ns;
	__u32 on_warn; /* bh_budget_action */
	__u32 on_exceed;
	__u64 warned_in; /* 1 + the number of the last period in which it was warned; 0: in none */
	__u64 exceeded_in;
	__u64 exceeded; /* in how many periods */
	__u64 refused; /* acts and packets */
};
BH_ASSERT_SIZE(struct bh_budget, 88);

/* Limits that a plan can have. Append-only. */
enum bh_plan_resource {
	BH_PLAN_MEMORY, /* in bytes */
	BH_PLAN_CPUS, /* in thousandths of a CPU */
	BH_PLAN_COUNT
};

/* A limit that an agent moves between `least` and `most` (0: it does not), by what it sees. */
struct bh_plan {
	__u64 least;
	__u64 most;
	__u64 raised; /* how often */
	__u64 lowered;
	__u64 looked_ns; /* CLOCK_BOOTTIME; 0: not yet */
	__u64 calm_since_ns; /* since when little of it is used; 0: much is */
	__u64 seen[2]; /* CPUS: running counts at that look */
};
BH_ASSERT_SIZE(struct bh_plan, 64);

/*
 * What user space did to an environment for its budgets and plans. Programs do not look at it; it
 * is here so that it outlives whoever did it. A bit of `begun` is stored before something is done,
 * that of `done` after it; both go when it is undone.
 */
struct bh_governed {
	__u32 begun; /* 1 << bh_budget_action */
	__u32 done;
	__u64 quota_us; /* cpu.max as it was before it was throttled; BH_NEVER: no quota */
	__u64 quota_period_us;
	__u64 asked_to_stop_ns; /* CLOCK_BOOTTIME */
	__u64 times[8]; /* by bh_budget_action: how often it was carried out */
	struct bh_plan plans[BH_PLAN_COUNT];
};
BH_ASSERT_SIZE(struct bh_governed, 224);

/*
 * Value of bh_budgets, a row for each slot. `serial` is stored once the row is the environment's;
 * `asked` has a bit for each kind that has a budget. `cpu_offsets` and `cpu_count`: where the
 * kernel keeps the distances between its CPUs' variables, and of how many CPUs; 0: not found.
 */
struct bh_budgets {
	__u32 serial;
	__u32 asked;
	__u64 cpu_offsets;
	__u32 cpu_count;
	__u32 pad;
	struct bh_budget budgets[BH_MAX_BUDGETS];
	struct bh_governed governed;
	__u64 reserved[9]; /* to 1024 bytes: a page has whole rows */
};
BH_ASSERT_SIZE(struct bh_budgets, 1024);

/* The number of the period at `now_ns`. The origin may lie before the boot: below zero, wrapped. */
BH_PURE __u64 bh_period_at(__u64 now_ns, __u64 origin_ns, __u64 period_ns)
{
	return period_ns ? (now_ns - origin_ns) / period_ns : 0;
}

/* CLOCK_BOOTTIME at which that period ends. */
BH_PURE __u64 bh_period_end(__u64 period, __u64 origin_ns, __u64 period_ns)
{
	return origin_ns + (period + 1) * period_ns;
}

BH_PURE __u64 bh_spent(__u64 period, __u64 used)
{
	return period << BH_SPENT_BITS | used;
}

/* What of the word is used in `period`: of another one, nothing. */
BH_PURE __u64 bh_used_in(__u64 spent, __u64 period)
{
	if (spent >> BH_SPENT_BITS != (period & ((1ULL << (64 - BH_SPENT_BITS)) - 1)))
		return 0;
	return spent & BH_SPENT_MOST;
}

#endif
