/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of a cgroup that is being removed: what the CPUs counted by themselves is added up while the
 * cgroup is there. Reading its files does that too, but nobody does who removes it.
 */
#ifndef BULKHEAD_REMOVAL_BPF_H
#define BULKHEAD_REMOVAL_BPF_H

#include "bpf/cgroup_usage.bpf.h"

#define BH_MAX_CPUS 8192 /* as CONFIG_NR_CPUS at most */

/* Of all controllers, to 6.15. */
extern void cgroup_rstat_flush(struct cgroup *cgroup) __ksym __weak;
/* From 6.16 on, of one: of the cgroup's own, CPU time. */
extern void css_rstat_flush(struct cgroup_subsys_state *css) __ksym __weak;
/* From 7.0 on. */
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym __weak;

/* Where each CPU has its part of what there is one of for each. */
extern const unsigned long this_cpu_off __ksym;

static __always_inline void bh_flush_memory(struct cgroup *cgroup)
{
	struct mem_cgroup *memcg;

	if (!bpf_mem_cgroup_flush_stats)
		return;
	memcg = bpf_get_mem_cgroup(&cgroup->self);
	if (!memcg)
		return;
	bpf_mem_cgroup_flush_stats(memcg);
	bpf_put_mem_cgroup(memcg);
}

/* May sleep. */
static __always_inline void bh_flush_cgroup(__u64 id)
{
	struct cgroup *cgroup;

	/*
	 * No cgroup can be had by its id: the root is flushed, and with it all. Such a kernel takes
	 * no program that asks whether there is a function that it has.
	 */
	if (!bpf_cgroup_from_id) {
		cgroup_rstat_flush(&bpf_get_current_task_btf()->cgroups->dfl_cgrp->root->cgrp);
		return;
	}
	cgroup = bpf_cgroup_from_id(id);
	if (!cgroup)
		return;
	if (css_rstat_flush)
		css_rstat_flush(&cgroup->self);
	else
		cgroup_rstat_flush(cgroup);
	bh_flush_memory(cgroup);
	bpf_cgroup_release(cgroup);
}

/* One disk's counts of an environment. */
struct bh_disk_counts {
	__u64 sets; /* blkcg_gq.iostat_cpu */
	struct bh_usage *row;
};

static long bh_add_cpu_io(__u32 cpu, struct bh_disk_counts *disk)
{
	const unsigned long *offset = bpf_per_cpu_ptr(&this_cpu_off, cpu);
	struct blkg_iostat_set *set;
	struct blkg_iostat now = {}, added = {};
	int way;

	if (!offset)
		return 1;
	set = (void *)(disk->sets + *offset);
	bpf_core_read(&now, sizeof(now), &set->cur);
	bpf_core_read(&added, sizeof(added), &set->last);
	for (way = BH_IO_READ; way < BH_IO_COUNT; way++) {
		disk->row->io_bytes[way] += now.bytes[way] - added.bytes[way];
		disk->row->io_operations[way] += now.ios[way] - added.ios[way];
	}
	return 0;
}

/* Global, so that the verifier looks at it once, and not for each disk. */
__weak __noinline int bh_add_disk_io(__u32 slot, __u64 sets)
{
	struct bh_disk_counts disk = {
		.sets = sets,
		.row = bpf_map_lookup_elem(&bh_usage, &slot),
	};

	if (disk.row)
		bpf_loop(BH_MAX_CPUS, bh_add_cpu_io, &disk, 0);
	return 0;
}

/* From 6.16 on no program can have block I/O added up, so that it is read of each CPU. */
static __always_inline void bh_add_unflushed_io(struct cgroup *cgroup, __u32 slot)
{
	struct blkcg *blkcg = (void *)bh_subsystem_of(cgroup, io);
	struct hlist_node *node;
	int disk;

	if (!bpf_core_field_exists(struct cgroup_subsys_state___apart, rstat_cpu) || !blkcg)
		return;
	node = BPF_CORE_READ(blkcg, blkg_list.first);
	for (disk = 0; disk < BH_MAX_DISKS && node; disk++) {
		struct blkcg_gq *blkg =
			(void *)node - bpf_core_field_offset(struct blkcg_gq, blkcg_node);

		bh_add_disk_io(slot, (__u64)BPF_CORE_READ(blkg, iostat_cpu));
		node = BPF_CORE_READ(node, next);
	}
}

/* Its memory is nobody's from now on, though the kernel keeps the pages of its files. */
static __always_inline void bh_stop_clock(struct bh_label label)
{
	__u32 slot = label.slot;
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);

	if (clock && clock->serial == label.serial)
		*(volatile __u32 *)&clock->serial = 0;
}

#endif
