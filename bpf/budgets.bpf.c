// SPDX-License-Identifier: GPL-2.0-only
/*
 * Budgets: how many processes and programs an environment may start and how many bytes it may send
 * in a period; and when any of its budgets is used up that refuses, pauses or stops, it starts and
 * sends nothing until the period ends. CPU time, memory over time and time itself are added up in
 * budget_clock.bpf.h. Attached while an environment has a budget.
 *
 * A process is what fork makes, not a thread; a program what exec starts, a script and its
 * interpreter as one. Each counts one. Bytes are those of the packets of its sockets, at the IP
 * layer, loopback too, before the kernel cuts them for the wire.
 */
#include "bpf/budgets.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define CLONE_THREAD 0x10000UL

#define BH_PACKET_REFUSED 0 /* the sender is told EPERM */
#define BH_PACKET_PASSES 1

/* Any budget that refuses closes all that budgets refuse, for the rest of its own period. */
static __noinline __u32 bh_spend_if_open(struct bh_budgets *row, struct bh_spending *of)
{
	struct bh_budget *budget;
	__u32 kind;

	for (kind = 0; kind < BH_BUDGET_COUNT; kind++) {
		budget = &row->budgets[kind];
		if (!(row->asked & 1U << kind) || !bh_may_be_closed(budget))
			continue;
		of->period =
			bh_period_at(bpf_ktime_get_boot_ns(), budget->origin_ns, budget->period_ns);
		if (!bh_is_closed(budget, of->period))
			continue;
		of->used = bh_used_in(budget->spent, of->period);
		of->kind = kind;
		return BH_SPEND_REFUSED;
	}
	kind = of->kind;
	if (kind >= BH_BUDGET_COUNT || !(row->asked & 1U << kind))
		return 0;
	budget = &row->budgets[kind];
	of->bound = bh_closes(budget->on_exceed) ? BH_UP_TO_AMOUNT : BH_UNBOUNDED;
	return bh_spend(budget, of);
}

static __always_inline int bh_start_one(__u16 hook)
{
	struct bh_subject subject;
	struct bh_spending one = { .more = 1, .kind = BH_BUDGET_PROCESSES };
	struct bh_request request = { .hook = hook, .error = -EAGAIN };
	struct bh_budgets *row;
	__u32 outcome;

	if (!bh_subject_current(&subject))
		return 0;
	row = bh_budgets_of(&subject.label);
	if (!row)
		return 0;
	outcome = bh_spend_if_open(row, &one);
	bh_tell_spending(&subject, row, &one, outcome, &request, BH_SPENDER_CURRENT);
	return outcome & BH_SPEND_REFUSED ? -EAGAIN : 0;
}

/* After the label's own program, which lets no task of an environment be made that is gone. */
SEC("lsm/task_alloc")
int BPF_PROG(bh_bg_fork, struct task_struct *task, unsigned long flags)
{
	return flags & CLONE_THREAD ? 0 : bh_start_one(BH_HOOK_task_alloc);
}

/* Asked again for each interpreter, which then is another name than the program's. */
SEC("lsm/bprm_check_security")
int BPF_PROG(bh_bg_exec, struct linux_binprm *bprm)
{
	return bprm->interp != bprm->filename ? 0 : bh_start_one(BH_HOOK_bprm_check_security);
}

SEC("cgroup_skb/egress")
int bh_bg_egress(struct __sk_buff *skb)
{
	struct bh_label *label = bpf_get_local_storage(&bh_net_cgroups, 0);
	struct bh_subject subject = { .label = *label };
	struct bh_spending packet = { .more = skb->len, .kind = BH_BUDGET_EGRESS };
	struct bh_request request = { .hook = BH_HOOK_cgroup_egress, .error = -EPERM };
	struct bh_budgets *row = bh_budgets_of(&subject.label);
	__u32 outcome;

	if (!row)
		return BH_PACKET_PASSES;
	outcome = bh_spend_if_open(row, &packet);
	if (!outcome)
		return BH_PACKET_PASSES;
	bh_subject_resolve(&subject);
	bh_tell_spending(&subject, row, &packet, outcome, &request, BH_SPENDER_UNKNOWN);
	return outcome & BH_SPEND_REFUSED ? BH_PACKET_REFUSED : BH_PACKET_PASSES;
}
