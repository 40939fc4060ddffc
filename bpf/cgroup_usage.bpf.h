/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel keeps for a cgroup, copied into its environment's row of bh_usage. Included by
 * one object, as memory_stat.bpf.h is.
 */
#ifndef BULKHEAD_CGROUP_USAGE_BPF_H
#define BULKHEAD_CGROUP_USAGE_BPF_H

#include "bpf/memory_clock.bpf.h"
#include "bpf/memory_stat.bpf.h"
#include "bpf/own_cgroup.bpf.h"

#define BH_PAGE_BYTES 4096
#define BH_MAX_DISKS 64 /* block devices that one environment used */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_usage);
} bh_usage SEC(".maps");

/* What is read of memory.stat's items. */
enum bh_stat {
	BH_STAT_ANON,
	BH_STAT_FILE,
	BH_STAT_SHMEM,
	BH_STAT_RECLAIMABLE,
	BH_STAT_UNRECLAIMABLE,
	BH_STAT_KMEM,
	BH_STAT_SOCK,
	BH_STAT_FAULTS,
	BH_STAT_MAJOR_FAULTS,
	BH_STAT_SCANNED, /* four each */
	BH_STAT_RECLAIMED = BH_STAT_SCANNED + 4,
	BH_STAT_COUNT = BH_STAT_RECLAIMED + 4,
};

/*
 * Where they are, found once, and where a memory cgroup has them; before 6.2 a copy, as one read of
 * all costs less than one of each. Passes take turns, as the iterator holds cgroup_mutex.
 * BH_MAX_STATS: no such item here.
 */
struct bh_stats {
	__u64 pass_ns; /* CLOCK_BOOTTIME at which this pass began: asking costs 50 instructions */
	__u32 found;
	__u32 place[BH_STAT_COUNT];
	__u64 vmstats;
	long copy[BH_MAX_STATS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_stats);
} bh_stats SEC(".maps");

/* From 6.2 on. */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

/* From 6.2 on. */
extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym __weak;

/* What later kernels have, and where: events became states by 7.2. */
enum vm_event_item___later {
	PGSTEAL_KHUGEPAGED___event,
	PGSTEAL_PROACTIVE___event,
	PGSCAN_KHUGEPAGED___event,
	PGSCAN_PROACTIVE___event,
};
enum node_stat_item___later {
	PGSTEAL_KSWAPD___state,
	PGSTEAL_DIRECT___state,
	PGSTEAL_KHUGEPAGED___state,
	PGSTEAL_PROACTIVE___state,
	PGSCAN_KSWAPD___state,
	PGSCAN_DIRECT___state,
	PGSCAN_KHUGEPAGED___state,
	PGSCAN_PROACTIVE___state,
};

/* From 6.16 on; before that there is one of each cgroup, for all controllers. */
struct cgroup_subsys_state___apart {
	void *rstat_cpu;
};

/* From 6.13 on. */
struct cgroup_base_stat___nice {
	u64 ntime;
};

/* The pahole of some kernels flattens arrays of arrays. */
struct psi_group___flat {
	u64 total[12];
};
struct psi_group___nested {
	u64 total[2][6];
};

/*
 * A pointer whose fields can be loaded as such. Before 6.2 a helper reads them, which costs more
 * than a hundred instructions each.
 */
#define bh_typed(type, pointer)                                                                    \
	((type *)(bpf_rdonly_cast ? bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(type))        \
				  : (pointer)))
#define bh_field(pointer, field)                                                                   \
	(bpf_rdonly_cast ? (pointer)->field : BPF_CORE_READ(pointer, field))

#define bh_subsystem(cgroup, name)                                                                 \
	((void *)(cgroup)->subsys[bpf_core_enum_value(enum cgroup_subsys_id, name##_cgrp_id)])

static __always_inline void bh_read_cpu(struct bh_usage *row, struct cgroup *cgroup)
{
	row->cpu_ns = cgroup->bstat.cputime.sum_exec_runtime;
	row->cpu_user_sampled_ns = cgroup->bstat.cputime.utime;
	row->cpu_system_sampled_ns = cgroup->bstat.cputime.stime;
	if (bpf_core_field_exists(struct cgroup_base_stat___nice, ntime))
		bpf_core_read(&row->cpu_nice_ns, sizeof(row->cpu_nice_ns),
			      &((struct cgroup_base_stat___nice *)&cgroup->bstat)->ntime);
}

/* What cpu.max did. A task_group begins with its cgroup_subsys_state. */
static __always_inline void bh_read_throttling(struct bh_usage *row, struct cgroup *cgroup)
{
	void *css = bh_subsystem(cgroup, cpu);
	struct task_group *group = bh_typed(struct task_group, css);

	if (!css)
		return;
	row->throttled_ns = bh_field(group, cfs_bandwidth.throttled_time);
	row->periods = bh_field(group, cfs_bandwidth.nr_periods);
	row->throttled_periods = bh_field(group, cfs_bandwidth.nr_throttled);
}

#define bh_place_of(kind, item) bh_state_place(bpf_core_enum_value(enum kind, item))
#define bh_event_place_if_any(kind, item)                                                          \
	(bpf_core_enum_value_exists(enum kind, item)                                               \
		 ? bh_event_place(bpf_core_enum_value(enum kind, item))                            \
		 : BH_MAX_STATS)

/* PGSCAN or PGSTEAL */
#define bh_find_reclaim(place, act)                                                                \
	do {                                                                                       \
		(place)[0] = bh_event_place_if_any(vm_event_item, act##_KSWAPD);                   \
		(place)[1] = bh_event_place_if_any(vm_event_item, act##_DIRECT);                   \
		(place)[2] =                                                                       \
			bh_event_place_if_any(vm_event_item___later, act##_KHUGEPAGED___event);    \
		(place)[3] =                                                                       \
			bh_event_place_if_any(vm_event_item___later, act##_PROACTIVE___event);     \
	} while (0)

static __always_inline void bh_find_stats(struct bh_stats *stats)
{
	stats->place[BH_STAT_ANON] = bh_place_of(node_stat_item, NR_ANON_MAPPED);
	stats->place[BH_STAT_FILE] = bh_place_of(node_stat_item, NR_FILE_PAGES);
	stats->place[BH_STAT_SHMEM] = bh_place_of(node_stat_item, NR_SHMEM);
	stats->place[BH_STAT_RECLAIMABLE] = bh_place_of(node_stat_item, NR_SLAB_RECLAIMABLE_B);
	stats->place[BH_STAT_UNRECLAIMABLE] = bh_place_of(node_stat_item, NR_SLAB_UNRECLAIMABLE_B);
	stats->place[BH_STAT_KMEM] = bh_place_of(memcg_stat_item, MEMCG_KMEM);
	stats->place[BH_STAT_SOCK] = bh_place_of(memcg_stat_item, MEMCG_SOCK);
	stats->place[BH_STAT_FAULTS] = bh_event_place_if_any(vm_event_item, PGFAULT);
	stats->place[BH_STAT_MAJOR_FAULTS] = bh_event_place_if_any(vm_event_item, PGMAJFAULT);
	bh_find_reclaim(&stats->place[BH_STAT_SCANNED], PGSCAN);
	bh_find_reclaim(&stats->place[BH_STAT_RECLAIMED], PGSTEAL);
	stats->found = 1;
}

static __always_inline void bh_tell_flushing(void)
{
	__u32 zero = 0;
	struct bh_meta *meta = bpf_map_lookup_elem(&bh_meta, &zero);

	if (meta && !bpf_core_field_exists(struct cgroup_subsys_state___apart, rstat_cpu))
		meta->flags |= BH_META_FLUSHED_TOGETHER;
}

/* Negative for a moment, while the CPUs' parts are added up one after the other: 0 then. */
static __always_inline __u64 bh_stat(struct bh_stats *stats, enum bh_stat item)
{
	__u32 place = stats->place[item];
	long value;

	if (place >= BH_MAX_STATS)
		return 0;
	if (bpf_rdonly_cast)
		value = bh_typed(struct memcg_vmstats,
				 (void *)(stats->vmstats + place * sizeof(value)))
				->state[0];
	else
		value = stats->copy[place];
	return value > 0 ? value : 0;
}

static __always_inline __u64 bh_stat_4(struct bh_stats *stats, enum bh_stat first)
{
	return bh_stat(stats, first) + bh_stat(stats, first + 1) + bh_stat(stats, first + 2) +
	       bh_stat(stats, first + 3);
}

#define bh_page_bytes(stats, item) (bh_stat(stats, item) * BH_PAGE_BYTES)

static __always_inline void bh_read_kinds_direct(struct bh_usage *row, struct bh_stats *stats,
						 struct mem_cgroup *memcg)
{
	__u32 bytes = bpf_core_field_offset(struct memcg_vmstats, events) +
		      bpf_core_field_size(struct memcg_vmstats, events);

	if (bytes > sizeof(stats->copy))
		return;
	if (!stats->found)
		bh_find_stats(stats);
	stats->vmstats = (__u64)bh_field(memcg, vmstats);
	if (!bpf_rdonly_cast)
		bpf_probe_read_kernel(stats->copy, bytes, (void *)stats->vmstats);
	row->anon_bytes = bh_page_bytes(stats, BH_STAT_ANON);
	row->file_bytes = bh_page_bytes(stats, BH_STAT_FILE);
	row->shmem_bytes = bh_page_bytes(stats, BH_STAT_SHMEM);
	row->slab_bytes =
		bh_stat(stats, BH_STAT_RECLAIMABLE) + bh_stat(stats, BH_STAT_UNRECLAIMABLE);
	row->kernel_bytes = bh_page_bytes(stats, BH_STAT_KMEM);
	row->sock_bytes = bh_page_bytes(stats, BH_STAT_SOCK);
	row->faults = bh_stat(stats, BH_STAT_FAULTS);
	row->major_faults = bh_stat(stats, BH_STAT_MAJOR_FAULTS);
	row->scanned_pages = bh_stat_4(stats, BH_STAT_SCANNED);
	row->reclaimed_pages = bh_stat_4(stats, BH_STAT_RECLAIMED);
}

/* `count`: what reads one event, or state, of `memcg`. */
#define bh_item_of(count, memcg, kind, item) count(memcg, bpf_core_enum_value(enum kind, item))
#define bh_item_if_any(count, memcg, kind, item)                                                   \
	(bpf_core_enum_value_exists(enum kind, item) ? bh_item_of(count, memcg, kind, item) : 0)

/* PGSCAN or PGSTEAL */
#define bh_reclaim_events(count, memcg, act)                                                       \
	(bh_item_if_any(count, memcg, vm_event_item, act##_KSWAPD) +                               \
	 bh_item_if_any(count, memcg, vm_event_item, act##_DIRECT) +                               \
	 bh_item_if_any(count, memcg, vm_event_item___later, act##_KHUGEPAGED___event) +           \
	 bh_item_if_any(count, memcg, vm_event_item___later, act##_PROACTIVE___event))
#define bh_reclaim_states(count, memcg, act)                                                       \
	(bh_item_if_any(count, memcg, node_stat_item___later, act##_KSWAPD___state) +              \
	 bh_item_if_any(count, memcg, node_stat_item___later, act##_DIRECT___state) +              \
	 bh_item_if_any(count, memcg, node_stat_item___later, act##_KHUGEPAGED___state) +          \
	 bh_item_if_any(count, memcg, node_stat_item___later, act##_PROACTIVE___state))

#define bh_state_bytes(memcg, kind, item)                                                          \
	bpf_mem_cgroup_page_state(memcg, bpf_core_enum_value(enum kind, item))

static __always_inline void bh_read_kinds(struct bh_usage *row, struct bh_stats *stats,
					  struct cgroup *cgroup, struct mem_cgroup *untrusted)
{
	struct mem_cgroup *memcg;

	if (!bpf_get_mem_cgroup) {
		bh_read_kinds_direct(row, stats, untrusted);
		return;
	}
	memcg = bpf_get_mem_cgroup(&cgroup->self);
	if (!memcg)
		return;
	row->anon_bytes = bh_state_bytes(memcg, node_stat_item, NR_ANON_MAPPED);
	row->file_bytes = bh_state_bytes(memcg, node_stat_item, NR_FILE_PAGES);
	row->shmem_bytes = bh_state_bytes(memcg, node_stat_item, NR_SHMEM);
	row->slab_bytes = bh_state_bytes(memcg, node_stat_item, NR_SLAB_RECLAIMABLE_B) +
			  bh_state_bytes(memcg, node_stat_item, NR_SLAB_UNRECLAIMABLE_B);
	row->kernel_bytes = bh_state_bytes(memcg, memcg_stat_item, MEMCG_KMEM);
	row->sock_bytes = bh_state_bytes(memcg, memcg_stat_item, MEMCG_SOCK);
	row->faults = bh_item_of(bpf_mem_cgroup_vm_events, memcg, vm_event_item, PGFAULT);
	row->major_faults = bh_item_of(bpf_mem_cgroup_vm_events, memcg, vm_event_item, PGMAJFAULT);
	row->scanned_pages = bh_reclaim_events(bpf_mem_cgroup_vm_events, memcg, PGSCAN) +
			     bh_reclaim_states(bpf_mem_cgroup_page_state, memcg, PGSCAN);
	row->reclaimed_pages = bh_reclaim_events(bpf_mem_cgroup_vm_events, memcg, PGSTEAL) +
			       bh_reclaim_states(bpf_mem_cgroup_page_state, memcg, PGSTEAL);
	bpf_put_mem_cgroup(memcg);
}

static __always_inline void bh_read_memory(struct bh_usage *row, struct bh_stats *stats,
					   struct cgroup *cgroup)
{
	void *css = bh_subsystem(cgroup, memory);
	struct mem_cgroup *memcg = bh_typed(struct mem_cgroup, css);

	if (!css)
		return;
	row->memory_bytes = bh_field(memcg, memory.usage.counter) * BH_PAGE_BYTES;
	row->memory_peak_bytes = bh_field(memcg, memory.watermark) * BH_PAGE_BYTES;
	row->swap_bytes = bh_field(memcg, swap.usage.counter) * BH_PAGE_BYTES;
	row->oom_kills = bh_field(
		memcg, memory_events[bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL)]
			       .counter);
	bh_read_kinds(row, stats, cgroup, memcg);
}

static __always_inline void bh_read_processes(struct bh_usage *row, struct cgroup *cgroup)
{
	void *css = bh_subsystem(cgroup, pids);
	struct pids_cgroup *pids = bh_typed(struct pids_cgroup, css);

	if (!css)
		return;
	row->processes = bh_field(pids, counter.counter);
	row->processes_peak = bh_field(pids, watermark);
}

/* The list is RCU-protected, and this program runs under rcu_read_lock(). */
static __always_inline void bh_read_io(struct bh_usage *row, struct cgroup *cgroup)
{
	void *css = bh_subsystem(cgroup, io);
	struct blkcg *blkcg = bh_typed(struct blkcg, css);
	struct blkg_iostat sum = {};
	struct hlist_node *node;
	int disk;

	if (!css)
		return;
	node = bh_field(blkcg, blkg_list.first);
	for (disk = 0; disk < BH_MAX_DISKS && node; disk++) {
		struct blkcg_gq *blkg =
			(void *)node - bpf_core_field_offset(struct blkcg_gq, blkcg_node);
		struct blkg_iostat stat = {};

		bpf_core_read(&stat, sizeof(stat), &blkg->iostat.cur);
		sum.bytes[BLKG_IOSTAT_READ] += stat.bytes[BLKG_IOSTAT_READ];
		sum.bytes[BLKG_IOSTAT_WRITE] += stat.bytes[BLKG_IOSTAT_WRITE];
		sum.ios[BLKG_IOSTAT_READ] += stat.ios[BLKG_IOSTAT_READ];
		sum.ios[BLKG_IOSTAT_WRITE] += stat.ios[BLKG_IOSTAT_WRITE];
		node = BPF_CORE_READ(node, next);
	}
	row->io_bytes[BH_IO_READ] = sum.bytes[BLKG_IOSTAT_READ];
	row->io_bytes[BH_IO_WRITE] = sum.bytes[BLKG_IOSTAT_WRITE];
	row->io_operations[BH_IO_READ] = sum.ios[BLKG_IOSTAT_READ];
	row->io_operations[BH_IO_WRITE] = sum.ios[BLKG_IOSTAT_WRITE];
}

/* The totals as of the kernel's last averaging, at most two seconds ago. */
static __always_inline void bh_read_pressure(struct bh_usage *row, struct cgroup *cgroup)
{
	struct psi_group *psi = cgroup->psi;
	const __u64 *total;
	__u32 offset;

	if (!psi)
		return;
	if (bpf_core_field_exists(struct psi_group___flat, total))
		offset = bpf_core_field_offset(struct psi_group___flat, total);
	else
		offset = bpf_core_field_offset(struct psi_group___nested, total);
	total = (void *)psi + offset;
	row->pressure_some_ns[BH_PRESSURE_CPU] = total[PSI_CPU_SOME];
	row->pressure_full_ns[BH_PRESSURE_CPU] = total[PSI_CPU_FULL];
	row->pressure_some_ns[BH_PRESSURE_MEMORY] = total[PSI_MEM_SOME];
	row->pressure_full_ns[BH_PRESSURE_MEMORY] = total[PSI_MEM_FULL];
	row->pressure_some_ns[BH_PRESSURE_IO] = total[PSI_IO_SOME];
	row->pressure_full_ns[BH_PRESSURE_IO] = total[PSI_IO_FULL];
}

/* Up to this moment. An environment that was adopted may not have executed anything since. */
static __always_inline void bh_settle_memory(struct cgroup *cgroup, struct bh_label label,
					     const struct bh_usage *row)
{
	__u32 slot = label.slot;
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);
	struct bh_state *state = bpf_map_lookup_elem(&bh_states, &slot);
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);

	if (!env || !state || !clock || env->serial != label.serial)
		return;
	if (clock->serial == label.serial)
		bh_clock_add(clock, state, row->memory_bytes / BH_PAGE_BYTES, row->read_ns,
			     BH_CLOCK_STEP_NS);
	else
		bh_begin_clock(label, bh_subsystem(cgroup, memory));
}

/* The row of the environment whose cgroup this is, cleared when the slot has a new owner. */
static __always_inline struct bh_usage *bh_row(struct bh_label *label)
{
	struct bh_usage *row = bpf_map_lookup_elem(&bh_usage, &label->slot);

	if (row && row->serial != label->serial) {
		__builtin_memset(row, 0, sizeof(*row));
		row->serial = label->serial;
	}
	return row;
}

#endif
