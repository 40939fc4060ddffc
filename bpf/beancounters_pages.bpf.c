// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beancounters of memory and swap, which the environment's cgroup counts and bounds: who was killed
 * for want of the one, and that there was no more of the other. Attached while an environment has a
 * bound on it; barriers are looked at by the memory clock (page_bounds.bpf.h).
 */
#include "bpf/own_cgroup.bpf.h"
#include "bpf/page_bounds.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* By 7.2 a folio has an object of its cgroup, as the kernel's own memory has before. */
struct obj_cgroup___of_folios {
	bool is_root;
} __attribute__((preserve_access_index));

#define BH_MEMCG_DATA_FLAGS 7UL

/*
 * The kernel has chosen whom it kills, as `memcg` (NULL: the machine) has no more. What it kills
 * with the chosen one, where it kills groups, is not told of.
 */
SEC("fentry/mem_cgroup_get_oom_group")
int BPF_PROG(bh_bc_oom, struct task_struct *victim, struct mem_cgroup *memcg)
{
	struct bh_request request = {
		.hook = BH_HOOK_oom_kill,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { BH_BEANCOUNTER_PHYSPAGES },
	};
	struct bh_beancounter *counter;
	struct page_counter *pages;
	struct bh_subject subject;

	if (!memcg || !bh_subject_of_cgroup(&subject, BPF_CORE_READ(memcg, css.cgroup)))
		return 0;
	counter = bh_beancounter_of(&subject.label, BH_BEANCOUNTER_PHYSPAGES);
	if (!counter)
		return 0;
	pages = bh_pages_of(memcg, BH_BEANCOUNTER_PHYSPAGES);
	bh_note_pages(&subject, counter, &request, pages, BPF_CORE_READ(pages, usage.counter),
		      victim);
	return 0;
}

static __always_inline struct mem_cgroup *bh_memcg_of(struct folio *folio)
{
	__u64 data = BPF_CORE_READ(folio, memcg_data) & ~BH_MEMCG_DATA_FLAGS;
	struct obj_cgroup___of_folios *object = (void *)data;

	if (bpf_core_field_exists(object->is_root))
		return BPF_CORE_READ((struct obj_cgroup *)object, memcg);
	return (void *)data;
}

/* The environment that has the page, also in a cgroup below its own; false: it is the host's. */
static __always_inline bool bh_subject_of_page(struct bh_subject *subject, struct folio *folio,
					       struct mem_cgroup **memcg)
{
	struct cgroup *cgroup = BPF_CORE_READ(bh_memcg_of(folio), css.cgroup);
	int depth;

	for (depth = 0; depth < BH_MAX_CGROUP_DEPTH && cgroup; depth++) {
		if (bh_subject_of_cgroup(subject, cgroup)) {
			*memcg = (void *)bh_subsystem_of(cgroup, memory);
			return *memcg;
		}
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return false;
}

/* One of the environment's that needs memory, or the kernel's own task, or the host's. */
static __always_inline struct task_struct *bh_reclaimer(const struct bh_subject *subject)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return bh_label_equal(bh_label_of(task), subject->label) ? task : NULL;
}

/*
 * No page goes to swap above the limit: the kernel keeps it in memory and looks for another one.
 * That is no act of anybody's, and may be thousands of pages: told of once a second.
 */
SEC("fexit/__mem_cgroup_try_charge_swap")
int BPF_PROG(bh_bc_swap, struct folio *folio)
{
	struct bh_request request = {
		.hook = BH_HOOK_swap_charge,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.error = -ENOMEM,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { BH_BEANCOUNTER_SWAPPAGES },
	};
	__u32 now_s = bpf_ktime_get_boot_ns() / BH_WARN_AGAIN_NS;
	struct bh_beancounter *counter;
	struct page_counter *pages;
	struct mem_cgroup *memcg;
	struct bh_subject subject;
	__u64 result = 0, held;

	if (bpf_get_func_ret(ctx, &result) || (int)result != -ENOMEM ||
	    !bh_subject_of_page(&subject, folio, &memcg))
		return 0;
	counter = bh_beancounter_of(&subject.label, BH_BEANCOUNTER_SWAPPAGES);
	if (!counter)
		return 0;
	pages = bh_pages_of(memcg, BH_BEANCOUNTER_SWAPPAGES);
	held = BPF_CORE_READ(pages, usage.counter);
	/* Else it was another cgroup's limit, or a page of many that goes in parts. */
	if (held < bh_pages_limit(pages) ||
	    __sync_lock_test_and_set(&counter->told_s, now_s) == now_s)
		return 0;
	bh_note_pages(&subject, counter, &request, pages, held, bh_reclaimer(&subject));
	return 0;
}
