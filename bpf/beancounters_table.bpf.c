// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of beancounters as whoever of an environment reads it sees its own, in the layout of
 * /proc/user_beancounters: an iterator pinned as a file, which an environment has as a mount. Live,
 * with no process of ours.
 *
 * It iterates over the tasks that the reader sees, and adds up what they hold; the rest comes from
 * where it is kept, once they were all met. Nobody's table is printed to a task outside.
 */
#include "bpf/beancounters.bpf.h"
#include "bpf/memory_kinds.bpf.h"
#include "bpf/own_cgroup.bpf.h"
#include "bpf/page_bounds.bpf.h"
#include "bpf/table_pass.bpf.h"
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

/* As /proc/user_beancounters has them; at the end what it did not have at first. */
static const __u8 bh_table_order[BH_BEANCOUNTER_COUNT] = {
	BH_BEANCOUNTER_KMEMSIZE,     BH_BEANCOUNTER_LOCKEDPAGES, BH_BEANCOUNTER_PRIVVMPAGES,
	BH_BEANCOUNTER_SHMPAGES,     BH_BEANCOUNTER_NUMPROC,	 BH_BEANCOUNTER_PHYSPAGES,
	BH_BEANCOUNTER_NUMTCPSOCK,   BH_BEANCOUNTER_NUMFLOCK,	 BH_BEANCOUNTER_NUMPTY,
	BH_BEANCOUNTER_NUMSIGINFO,   BH_BEANCOUNTER_TCPSNDBUF,	 BH_BEANCOUNTER_TCPRCVBUF,
	BH_BEANCOUNTER_OTHERSOCKBUF, BH_BEANCOUNTER_DGRAMRCVBUF, BH_BEANCOUNTER_NUMOTHERSOCK,
	BH_BEANCOUNTER_DCACHESIZE,   BH_BEANCOUNTER_NUMFILE,	 BH_BEANCOUNTER_NUMIPTENT,
	BH_BEANCOUNTER_SWAPPAGES,    BH_BEANCOUNTER_NUMUNIXSOCK, BH_BEANCOUNTER_NUMINOTIFY,
	BH_BEANCOUNTER_NUMMNT,
};

enum bh_shown {
	BH_SHOWS_NOTHING,
	BH_SHOWS_HELD,
	BH_SHOWS_ALL,
};

static __always_inline __u64 bh_shown_bound(__u64 value, __u64 unlimited)
{
	return value >= unlimited ? BH_SHOWN_UNLIMITED : value;
}

static __noinline int bh_print_row(struct seq_file *seq, __u32 id, enum bh_shown shown,
				   const struct bh_beancounter *row)
{
	if (!seq || !row || id >= BH_BEANCOUNTER_COUNT)
		return 0;
	/* The first stands beside the environment's number. */
	if (id != bh_table_order[0])
		BPF_SEQ_PRINTF(seq, "%12s", "");
	if (shown == BH_SHOWS_ALL)
		BPF_SEQ_PRINTF(seq, "%-12s %20llu %20llu %20llu %20llu %20llu\n", bh_names[id],
			       row->held, row->maxheld,
			       bh_shown_bound(row->barrier, BH_SHOWN_UNLIMITED),
			       bh_shown_bound(row->limit, BH_SHOWN_UNLIMITED), row->failcnt);
	else if (shown == BH_SHOWS_HELD)
		BPF_SEQ_PRINTF(seq, "%-12s %20llu %20s %20s %20s %20s\n", bh_names[id], row->held,
			       "-", "-", "-", "-");
	else
		BPF_SEQ_PRINTF(seq, "%-12s %20s %20s %20s %20s %20s\n", bh_names[id], "-", "-", "-",
			       "-", "-");
	return 0;
}

/* `row` has the limit that holds. */
static __always_inline void bh_set_barrier(struct bh_beancounter *row,
					   const struct bh_beancounter *counter)
{
	row->barrier = counter && counter->barrier < row->limit ? counter->barrier : row->limit;
}

static __always_inline enum bh_shown bh_read_tasks(struct bh_beancounter *row,
						   const struct bh_beancounter *counter,
						   struct cgroup *cgroup)
{
	struct pids_cgroup *pids = (void *)bh_subsystem_of(cgroup, pids);

	if (!pids)
		return BH_SHOWS_NOTHING;
	row->held = BPF_CORE_READ(pids, counter.counter);
	row->maxheld = BPF_CORE_READ(pids, watermark);
	row->limit = bh_shown_bound(BPF_CORE_READ(pids, limit.counter), BH_TASKS_UNLIMITED);
	bh_set_barrier(row, counter);
	if (bpf_core_field_exists(pids->events))
		row->failcnt = BPF_CORE_READ(pids, events[0].counter);
	else
		row->failcnt =
			BPF_CORE_READ((struct pids_cgroup___single *)pids, events_limit.counter);
	return BH_SHOWS_ALL;
}

#define bh_memory_event(memcg, event)                                                              \
	BPF_CORE_READ(memcg,                                                                       \
		      memory_events[bpf_core_enum_value(enum memcg_memory_event, event)].counter)

static __always_inline enum bh_shown bh_read_pages(struct bh_beancounter *row,
						   const struct bh_beancounter *counter, __u32 id,
						   struct cgroup *cgroup)
{
	struct mem_cgroup *memcg = (void *)bh_subsystem_of(cgroup, memory);
	struct page_counter *pages = bh_pages_of(memcg, id);

	if (!memcg)
		return BH_SHOWS_NOTHING;
	row->held = BPF_CORE_READ(pages, usage.counter);
	row->maxheld = BPF_CORE_READ(pages, watermark);
	row->limit = bh_pages_limit(pages);
	bh_set_barrier(row, counter);
	row->failcnt = id == BH_BEANCOUNTER_PHYSPAGES ? bh_memory_event(memcg, MEMCG_OOM)
						      : bh_memory_event(memcg, MEMCG_SWAP_MAX);
	return BH_SHOWS_ALL;
}

static __always_inline void bh_know_memory(struct bh_table_pass *pass, struct cgroup *cgroup,
					   __u64 id)
{
	struct bh_memory_kinds kinds = {};

	if (!bh_read_kinds_of(id, (__u64)cgroup, &kinds))
		return;
	bh_know(pass, BH_BEANCOUNTER_KMEMSIZE, kinds.kernel_bytes);
	bh_know(pass, BH_BEANCOUNTER_DCACHESIZE, kinds.reclaimable_bytes);
	bh_know(pass, BH_BEANCOUNTER_SHMPAGES, kinds.shared_pages);
	bh_know(pass, BH_BEANCOUNTER_LOCKEDPAGES, kinds.unevictable_pages);
}

static __always_inline void bh_know_users(struct bh_table_pass *pass, struct bh_environment *env)
{
	__u64 ns = bh_user_ns_address(env), watches = 0, signals = 0;

	if (!ns || !bh_knows_ucounts())
		return;
	if (bh_sum_ucounts(ns, bh_watches_offset(), &watches))
		bh_know(pass, BH_BEANCOUNTER_NUMINOTIFY, watches);
	if (bh_sum_ucounts(ns, bh_signals_offset(), &signals))
		bh_know(pass, BH_BEANCOUNTER_NUMSIGINFO, signals);
}

/* What the kernel counts itself: held is there, and in the row what is under way. */
static __always_inline enum bh_shown bh_read_known(struct bh_beancounter *row,
						   const struct bh_beancounter *counter,
						   const struct bh_table_pass *pass, __u32 id)
{
	if (!(pass->known & 1U << id))
		return BH_SHOWS_NOTHING;
	if (counter)
		*row = *counter;
	row->held = pass->held[id];
	if (row->maxheld < row->held)
		row->maxheld = row->held;
	return counter ? BH_SHOWS_ALL : BH_SHOWS_HELD;
}

static __always_inline void bh_print_beancounter(struct seq_file *seq, struct bh_subject *subject,
						 struct cgroup *cgroup,
						 const struct bh_table_pass *pass, __u32 id)
{
	struct bh_beancounter *counter = bh_beancounter_of(&subject->label, id);
	enum bh_shown shown = BH_SHOWS_NOTHING;
	struct bh_beancounter row = {};

	if (id == BH_BEANCOUNTER_NUMPROC) {
		shown = bh_read_tasks(&row, counter, cgroup);
	} else if (id == BH_BEANCOUNTER_PHYSPAGES || id == BH_BEANCOUNTER_SWAPPAGES) {
		shown = bh_read_pages(&row, counter, id, cgroup);
	} else if (id >= BH_BEANCOUNTER_NUMINOTIFY) {
		shown = bh_read_known(&row, counter, pass, id);
	} else if (counter) {
		row = *counter;
		shown = BH_SHOWS_ALL;
	}
	bh_print_row(seq, id, shown, &row);
}

static __always_inline void bh_print_table(struct seq_file *seq, struct bh_subject *subject,
					   struct bh_table_pass *pass)
{
	__u64 id = subject->env->cgroup_id;
	struct cgroup *cgroup = bh_own_cgroup(bpf_get_current_task_btf(), id);
	int i;

	bh_know_sums(pass);
	bh_know_users(pass, subject->env);
	bh_know_memory(pass, cgroup, id);
	BPF_SEQ_PRINTF(seq, "Version: 2.5\n%10s  %-12s %20s %20s %20s %20s %20s\n", "uid",
		       "resource", "held", "maxheld", "barrier", "limit", "failcnt");
	BPF_SEQ_PRINTF(seq, "%10u: ", subject->label.serial);
	for (i = 0; i < BH_BEANCOUNTER_COUNT; i++)
		bh_print_beancounter(seq, subject, cgroup, pass, bh_table_order[i]);
}

/* As a number, which is all that a global function takes. */
static __always_inline __u64 bh_task_address(struct bpf_iter__task *ctx)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &ctx->task);
	return address;
}

SEC("iter/task")
int bh_bc_table(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bh_table_pass *pass;
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	pass = bh_begin_pass(ctx->meta->session_id, subject.label);
	if (!pass)
		return 0;
	if (task) {
		if (bh_label_equal(bh_label_of(task), subject.label))
			bh_add_task(bh_task_address(ctx), pass);
		return 0;
	}
	/* The last call, after the tasks. */
	if (subject.env)
		bh_print_table(ctx->meta->seq, &subject, pass);
	bh_end_pass(pass);
	return 0;
}
