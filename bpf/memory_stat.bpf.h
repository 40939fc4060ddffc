/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a memory cgroup has the items of memory.stat, and the kernel's own functions that know.
 * Included by one object: the linker takes each of these functions from one only.
 */
#ifndef BULKHEAD_MEMORY_STAT_BPF_H
#define BULKHEAD_MEMORY_STAT_BPF_H

#include "bpf/kernel.bpf.h"

#define BH_MAX_STATS 192 /* more than any kernel has states and events of a memory cgroup */

/*
 * Where the kernel keeps mem_cgroup_stats_index (6.10 to 7.1) and mem_cgroup_events_index (to 7.1),
 * 0 elsewhere. Set by the loader.
 */
const volatile __u64 bh_stats_index;
const volatile __u64 bh_events_index;

/* From 7.2 on; in bytes, as memory.stat shows them. */
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym __weak;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym __weak;
extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __ksym __weak;
extern unsigned long bpf_mem_cgroup_vm_events(struct mem_cgroup *memcg,
					      enum vm_event_item item) __ksym __weak;

/* Before 6.10 a state's number is its place; then the kernel has a table of places. */
static __always_inline __u32 bh_state_place(__u32 item)
{
	__s8 place = item;

	if (bh_stats_index)
		bpf_probe_read_kernel(&place, sizeof(place), (void *)bh_stats_index + item);
	return place < 0 ? BH_MAX_STATS : place;
}

/* From 6.10 on the table has bytes, before that ints that are greater by one. */
static __always_inline __u32 bh_event_place(__u32 item)
{
	int place = 0;
	__s8 byte = -1;

	if (bh_stats_index) {
		bpf_probe_read_kernel(&byte, sizeof(byte), (void *)bh_events_index + item);
		place = byte + 1;
	} else {
		bpf_probe_read_kernel(&place, sizeof(place),
				      (void *)bh_events_index + sizeof(place) * item);
	}
	return place <= 0 ? BH_MAX_STATS
			  : bpf_core_field_offset(struct memcg_vmstats, events) / sizeof(long) +
				    place - 1;
}

#endif
