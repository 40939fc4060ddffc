/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What physpages and swappages say of an environment: its memory cgroup counts and bounds both.
 */
#ifndef BULKHEAD_PAGE_BOUNDS_BPF_H
#define BULKHEAD_PAGE_BOUNDS_BPF_H

#include "bpf/beancounters.bpf.h"

#define BH_PAGES_UNLIMITED (BH_UNLIMITED / 2 / 4096) /* PAGE_COUNTER_MAX */
#define BH_COUNTS_PAGES (1U << BH_BEANCOUNTER_PHYSPAGES | 1U << BH_BEANCOUNTER_SWAPPAGES)

static __always_inline struct page_counter *bh_pages_of(struct mem_cgroup *memcg, __u32 id)
{
	return id == BH_BEANCOUNTER_PHYSPAGES
		       ? (void *)memcg + bpf_core_field_offset(struct mem_cgroup, memory)
		       : (void *)memcg + bpf_core_field_offset(struct mem_cgroup, swap);
}

/* The bound that holds: whoever sets the limit of the cgroup in another way sets this one. */
static __always_inline __u64 bh_pages_limit(struct page_counter *pages)
{
	__u64 limit = BPF_CORE_READ(pages, max);

	return limit >= BH_PAGES_UNLIMITED ? BH_UNLIMITED : limit;
}

/* Of a task that need not be the current one; NULL: of nobody. */
static __always_inline void bh_note_of(struct bh_subject *subject, struct bh_beancounter *counter,
				       struct bh_request *request, struct task_struct *task)
{
	struct bh_refusal *row;
	__u64 sequence;

	bh_count_note(subject, counter, request);
	if (task && !(request->flags & BH_REFUSAL_WARNED))
		bh_count_act_of(task, BH_EXEC_REFUSED, request->class_id);
	row = bh_take_row(request, &sequence);
	if (!row)
		return;
	if (task) {
		row->pid = task->tgid;
		row->tid = task->pid;
		row->uid = BPF_CORE_READ(task, cred, uid.val);
		bpf_probe_read_kernel(row->comm, sizeof(row->comm), task->comm);
	}
	bh_finish_row(row, sequence);
}

/* Likewise, with what is held of these pages, and the limit that they have. */
static __always_inline void bh_note_pages(struct bh_subject *subject,
					  struct bh_beancounter *counter,
					  struct bh_request *request, struct page_counter *pages,
					  __u64 held, struct task_struct *task)
{
	request->values[1] = held;
	request->values[3] = bh_pages_limit(pages);
	bh_note_of(subject, counter, request, task);
}

/*
 * What the kernel holds of it now, looked at without an act. A peak between two looks is seen where
 * it is the highest yet; at the first one it may be of a time without a bound.
 */
static __always_inline void bh_look_at_pages(struct bh_subject *subject,
					     struct bh_beancounter *counter, __u32 id,
					     struct page_counter *pages)
{
	struct bh_request request = {
		.hook = BH_HOOK_timer,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.flags = BH_REFUSAL_WARNED,
		.error = id == BH_BEANCOUNTER_SWAPPAGES ? -ENOMEM : 0,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { id },
	};
	__u64 held = BPF_CORE_READ(pages, usage.counter), most = held;
	__u64 peak = BPF_CORE_READ(pages, watermark), before = counter->held;

	if (counter->maxheld && peak > counter->maxheld)
		most = peak;
	counter->maxheld = peak;
	counter->held = held;
	if (!bh_passes_barrier(counter, before, most))
		return;
	bh_note_pages(subject, counter, &request, pages, most, NULL);
}

static __always_inline void bh_look_at(struct bh_subject *subject, struct mem_cgroup *memcg,
				       __u32 id)
{
	struct bh_beancounter *counter = bh_beancounter_of(&subject->label, id);

	if (counter && bh_has_barrier(counter))
		bh_look_at_pages(subject, counter, id, bh_pages_of(memcg, id));
}

/* Global: see bh_step_slot(). `memcg` is an address that was found to be the environment's. */
__weak __noinline int bh_step_pages(__u32 slot, __u64 memcg)
{
	struct bh_beancounters *row = bpf_map_lookup_elem(&bh_beans, &slot);
	struct bh_subject subject = { .label = { .slot = slot } };

	if (!row || !(row->counted & BH_COUNTS_PAGES))
		return 0;
	subject.label.serial = row->serial;
	bh_subject_resolve(&subject);
	if (!subject.env || !subject.state || subject.state->exited_ns)
		return 0;
	bh_look_at(&subject, (void *)memcg, BH_BEANCOUNTER_PHYSPAGES);
	bh_look_at(&subject, (void *)memcg, BH_BEANCOUNTER_SWAPPAGES);
	return 0;
}

#endif
