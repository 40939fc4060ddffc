/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Budgets of what is used without an act: CPU time, memory over time, and time. Looked at when the
 * memory clock steps for all environments, ten times a second.
 */
#ifndef BULKHEAD_BUDGET_CLOCK_BPF_H
#define BULKHEAD_BUDGET_CLOCK_BPF_H

#include "bpf/budgets.bpf.h"

#define BH_MAX_CPUS 8192 /* the kernel's own bound on x86-64 */

/* Where a cgroup has the CPUs' parts of its base counts: with its controllers' until 6.15. */
struct cgroup_rstat_cpu___joint {
	struct cgroup_base_stat bstat;
} __attribute__((preserve_access_index));
struct cgroup___joint {
	struct cgroup_rstat_cpu___joint *rstat_cpu;
} __attribute__((preserve_access_index));
struct cgroup_rstat_base_cpu___apart {
	struct cgroup_base_stat bstat;
} __attribute__((preserve_access_index));
struct cgroup___apart {
	struct cgroup_rstat_base_cpu___apart *rstat_base_cpu;
} __attribute__((preserve_access_index));

/* The address on no CPU, to which a CPU's distance is added; 0: neither is there. */
static __always_inline __u64 bh_cpu_time_of(struct cgroup *cgroup)
{
	struct cgroup___apart *apart = (void *)cgroup;
	struct cgroup___joint *joint = (void *)cgroup;

	if (bpf_core_field_exists(apart->rstat_base_cpu))
		return (__u64)BPF_CORE_READ(apart, rstat_base_cpu) +
		       bpf_core_field_offset(struct cgroup_rstat_base_cpu___apart,
					     bstat.cputime.sum_exec_runtime);
	if (bpf_core_field_exists(joint->rstat_cpu))
		return (__u64)BPF_CORE_READ(joint, rstat_cpu) +
		       bpf_core_field_offset(struct cgroup_rstat_cpu___joint,
					     bstat.cputime.sum_exec_runtime);
	return 0;
}

struct bh_cpu_sum {
	__u64 base;
	__u64 offsets;
	__u64 ns;
};

static long bh_add_cpu(__u32 cpu, struct bh_cpu_sum *sum)
{
	__u64 offset = 0, ns = 0;

	bpf_probe_read_kernel(&offset, sizeof(offset),
			      (void *)(sum->offsets + (__u64)cpu * sizeof(offset)));
	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)(sum->base + offset));
	sum->ns += ns;
	return 0;
}

/*
 * What the scheduler charged to the cgroup, up to the last tick of each CPU: cgroup->bstat is
 * older, and bringing it up to date may sleep.
 */
static __always_inline __u64 bh_cpu_us(struct bh_budgets *row, struct cgroup *cgroup)
{
	struct bh_cpu_sum sum = { .base = bh_cpu_time_of(cgroup), .offsets = row->cpu_offsets };
	__u32 count = row->cpu_count;

	if (!sum.base || !sum.offsets)
		return 0;
	bpf_loop(count > BH_MAX_CPUS ? BH_MAX_CPUS : count, bh_add_cpu, &sum, 0);
	return sum.ns / 1000;
}

/* `running`: a count that only grows, of which a part is in the budget already. */
static __noinline int bh_spend_running(struct bh_subject *subject, struct bh_budgets *row,
				       struct bh_spending *of, __u64 running)
{
	struct bh_request request = { .hook = BH_HOOK_timer, .error = -EAGAIN };
	__u32 kind = of->kind, outcome;
	struct bh_budget *budget;

	if (kind >= BH_BUDGET_COUNT)
		return 0;
	budget = &row->budgets[kind];
	of->more = running > budget->counted ? running - budget->counted : 0;
	if (of->more || budget->counted == BH_NEVER)
		budget->counted = running;
	outcome = bh_spend(budget, of);
	bh_tell_spending(subject, row, of, outcome, &request, BH_SPENDER_UNKNOWN);
	return 0;
}

static __always_inline void bh_step_budget(struct bh_subject *subject, struct bh_budgets *row,
					   __u32 kind, __u64 running)
{
	struct bh_spending of = { .kind = kind };

	if (row->asked & 1U << kind)
		bh_spend_running(subject, row, &of, running);
}

/* `cgroup`: the environment's. */
static __always_inline void bh_step_budgets(__u32 slot, struct bh_environment *env,
					    struct bh_state *state, struct cgroup *cgroup)
{
	struct bh_subject subject = {
		.label = { .slot = slot, .serial = env->serial },
		.control = env->control,
		.env = env,
		.state = state,
	};
	struct bh_budgets *row = bh_budgets_of(&subject.label);

	/* One that has ended and is kept uses nothing. */
	if (!row || state->exited_ns)
		return;
	if (row->asked & 1U << BH_BUDGET_CPU)
		bh_step_budget(&subject, row, BH_BUDGET_CPU, bh_cpu_us(row, cgroup));
	bh_step_budget(&subject, row, BH_BUDGET_MEMORY, state->counts.memory_page_ms / 1000);
	bh_step_budget(&subject, row, BH_BUDGET_WALL, bpf_ktime_get_boot_ns() / 1000000);
}

#endif
