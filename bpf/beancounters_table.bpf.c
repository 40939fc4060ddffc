// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of beancounters as whoever of an environment reads it sees its own, in the layout of
 * /proc/user_beancounters: an iterator pinned as a file, which an environment has as a mount. Live,
 * with no process of ours.
 *
 * It iterates over a map of one element, to be called once for each open; what it prints comes from
 * elsewhere. Nobody's table is printed to a task outside.
 */
#include "bpf/beancounters.bpf.h"
#include "bpf/own_cgroup.bpf.h"
#include "bpf/page_bounds.bpf.h"
#include "bpf/ucounts.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define BH_NAME_LENGTH 16
#define BH_SHOWN_UNLIMITED (~0ULL >> 1) /* LONG_MAX, as the layout has it */
#define BH_TASKS_UNLIMITED (4 << 20) /* PIDS_MAX is one more */

/* The kernel's counts of refused forks: one until 6.10, then one for each kind, this kind first. */
struct pids_cgroup___single {
	atomic64_t events_limit;
} __attribute__((preserve_access_index));

static const char bh_names[BH_BEANCOUNTER_COUNT][BH_NAME_LENGTH] = {
#define BH_NAME_OF(id, name) #name,
	BH_BEANCOUNTERS(BH_NAME_OF)
#undef BH_NAME_OF
};

static __always_inline __u64 bh_shown(__u64 value, __u64 unlimited)
{
	return value >= unlimited ? BH_SHOWN_UNLIMITED : value;
}

static __noinline int bh_print_row(struct seq_file *seq, __u32 id, const struct bh_beancounter *row)
{
	if (!seq || !row || id >= BH_BEANCOUNTER_COUNT)
		return 0;
	/* The first stands beside the environment's number. */
	if (id != BH_BEANCOUNTER_NUMPROC)
		BPF_SEQ_PRINTF(seq, "%12s", "");
	BPF_SEQ_PRINTF(seq, "%-12s %20llu %20llu %20llu %20llu %20llu\n", bh_names[id], row->held,
		       row->maxheld, bh_shown(row->barrier, BH_SHOWN_UNLIMITED),
		       bh_shown(row->limit, BH_SHOWN_UNLIMITED), row->failcnt);
	return 0;
}

static __always_inline void bh_print_tasks(struct seq_file *seq, struct cgroup *cgroup)
{
	struct pids_cgroup *pids = (void *)bh_subsystem_of(cgroup, pids);
	struct bh_beancounter row = {};

	if (!pids)
		return;
	row.held = BPF_CORE_READ(pids, counter.counter);
	row.maxheld = BPF_CORE_READ(pids, watermark);
	row.limit = bh_shown(BPF_CORE_READ(pids, limit.counter), BH_TASKS_UNLIMITED);
	row.barrier = row.limit;
	if (bpf_core_field_exists(pids->events))
		row.failcnt = BPF_CORE_READ(pids, events[0].counter);
	else
		row.failcnt =
			BPF_CORE_READ((struct pids_cgroup___single *)pids, events_limit.counter);
	bh_print_row(seq, BH_BEANCOUNTER_NUMPROC, &row);
}

static __always_inline void bh_print_pages(struct seq_file *seq, __u32 id,
					   struct page_counter *pages, __u64 failcnt)
{
	struct bh_beancounter row = {};

	row.held = BPF_CORE_READ(pages, usage.counter);
	row.maxheld = BPF_CORE_READ(pages, watermark);
	row.limit = bh_shown(BPF_CORE_READ(pages, max), BH_PAGES_UNLIMITED);
	row.barrier = row.limit;
	row.failcnt = failcnt;
	bh_print_row(seq, id, &row);
}

#define bh_memory_event(memcg, event)                                                              \
	BPF_CORE_READ(memcg,                                                                       \
		      memory_events[bpf_core_enum_value(enum memcg_memory_event, event)].counter)

static __always_inline void bh_print_memory(struct seq_file *seq, struct cgroup *cgroup)
{
	struct mem_cgroup *memcg = (void *)bh_subsystem_of(cgroup, memory);

	if (!memcg)
		return;
	bh_print_pages(seq, BH_BEANCOUNTER_PHYSPAGES, &memcg->memory,
		       bh_memory_event(memcg, MEMCG_OOM));
	bh_print_pages(seq, BH_BEANCOUNTER_SWAPPAGES, &memcg->swap,
		       bh_memory_event(memcg, MEMCG_SWAP_MAX));
}

/* What the kernel counts itself: held is there, and in the row what is under way. */
static __always_inline void bh_print_of_users(struct seq_file *seq, struct bh_subject *subject,
					      __u32 id, __u64 offset)
{
	struct bh_beancounter *counter = bh_beancounter_of(&subject->label, id);
	__u64 ns = bh_user_ns_address(subject->env);
	struct bh_beancounter row;

	if (!counter || !ns)
		return;
	row = *counter;
	if (!bh_sum_ucounts(ns, offset, &row.held))
		return;
	if (row.maxheld < row.held)
		row.maxheld = row.held;
	bh_print_row(seq, id, &row);
}

static __always_inline void bh_print_counted(struct seq_file *seq, struct bh_subject *subject)
{
	struct bh_beancounter *row;
	__u32 id;

	for (id = BH_BEANCOUNTER_NUMPROC + 1; id < BH_BEANCOUNTER_NUMINOTIFY; id++) {
		row = bh_beancounter_of(&subject->label, id);
		if (row)
			bh_print_row(seq, id, row);
	}
	bh_print_of_users(seq, subject, BH_BEANCOUNTER_NUMINOTIFY, bh_watches_offset());
	bh_print_of_users(seq, subject, BH_BEANCOUNTER_NUMSIGINFO, bh_signals_offset());
}

SEC("iter/bpf_map_elem")
int bh_bc_table(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct bh_subject subject;
	struct cgroup *cgroup;

	/* The last call, after the elements, has none. */
	if (!ctx->value || !bh_subject_current(&subject) || !subject.env)
		return 0;
	BPF_SEQ_PRINTF(seq, "Version: 2.5\n%10s  %-12s %20s %20s %20s %20s %20s\n", "uid",
		       "resource", "held", "maxheld", "barrier", "limit", "failcnt");
	BPF_SEQ_PRINTF(seq, "%10u: ", subject.label.serial);
	cgroup = bh_own_cgroup(bpf_get_current_task_btf(), subject.env->cgroup_id);
	if (cgroup) {
		bh_print_tasks(seq, cgroup);
		bh_print_memory(seq, cgroup);
	}
	bh_print_counted(seq, &subject);
	return 0;
}
