// SPDX-License-Identifier: GPL-2.0-only
/*
 * Usage: one pass over the cgroups below the environments' parent copies what the kernel keeps
 * for each environment into its row of bh_usage. Nothing is counted here, so nothing is lost
 * while nobody reads.
 *
 * The reader flushes the kernel's per-CPU counters first, by reading the parent's own files: one
 * flush covers every cgroup below, and cgroup_mutex, which the iterator holds, is not held for it.
 *
 * A cgroup that goes while nobody has read it for the last time is read as it is removed.
 */
#include "bpf/memory_kinds.bpf.h"
#include "bpf/removal.bpf.h"
#include "bpf/decide.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline __u64 bh_state_at(struct mem_cgroup *memcg, __u32 item)
{
	__u64 states = (__u64)BPF_CORE_READ(memcg, vmstats);
	__u32 place = bh_state_place(item);
	long value = 0;

	if (place < BH_MAX_STATS)
		bpf_probe_read_kernel(&value, sizeof(value),
				      (void *)(states + place * sizeof(value)));
	return value > 0 ? value : 0;
}

#define bh_state(memcg, kind, item) bh_state_at(memcg, bpf_core_enum_value(enum kind, item))

static __always_inline int bh_read_kinds_at(struct bh_memory_kinds *kinds, struct cgroup *cgroup)
{
	struct mem_cgroup *memcg = (void *)bh_subsystem_of(cgroup, memory);

	if (!memcg)
		return 0;
	kinds->kernel_bytes = BH_PAGE_BYTES * bh_state(memcg, memcg_stat_item, MEMCG_KMEM);
	kinds->reclaimable_bytes = bh_state(memcg, node_stat_item, NR_SLAB_RECLAIMABLE_B);
	kinds->shared_pages = bh_state(memcg, node_stat_item, NR_SHMEM);
	kinds->unevictable_pages = bh_state(memcg, node_stat_item, NR_UNEVICTABLE);
	return 1;
}

static __always_inline int bh_ask_kinds(struct bh_memory_kinds *kinds, struct cgroup *cgroup)
{
	struct mem_cgroup *memcg = bpf_get_mem_cgroup(&cgroup->self);

	if (!memcg)
		return 0;
	kinds->kernel_bytes = bh_state_bytes(memcg, memcg_stat_item, MEMCG_KMEM);
	kinds->reclaimable_bytes = bh_state_bytes(memcg, node_stat_item, NR_SLAB_RECLAIMABLE_B);
	kinds->shared_pages = bh_state_bytes(memcg, node_stat_item, NR_SHMEM) / BH_PAGE_BYTES;
	kinds->unevictable_pages =
		bh_state_bytes(memcg, node_stat_item, NR_UNEVICTABLE) / BH_PAGE_BYTES;
	bpf_put_mem_cgroup(memcg);
	return 1;
}

int bh_read_kinds_of(__u64 id, __u64 address, struct bh_memory_kinds *kinds)
{
	struct cgroup *cgroup;
	int known;

	if (!kinds)
		return 0;
	if (!bpf_get_mem_cgroup)
		return bh_read_kinds_at(kinds, (void *)address);
	cgroup = bpf_cgroup_from_id(id);
	if (!cgroup)
		return 0;
	known = bh_ask_kinds(kinds, cgroup);
	bpf_cgroup_release(cgroup);
	return known;
}

static __always_inline void bh_begin_pass(struct bh_stats *stats)
{
	stats->pass_ns = bpf_ktime_get_boot_ns();
	bh_tell_flushing();
}

/* NULL: it is no environment's. `label`: whose it is. */
static __always_inline struct bh_usage *
bh_read_cgroup(struct cgroup *cgroup, struct bh_stats *stats, struct bh_label **label)
{
	__u64 id = cgroup->kn->id;
	struct bh_usage *row;

	*label = bpf_map_lookup_elem(&bh_cgroups, &id);
	row = *label ? bh_row(*label) : NULL;
	if (!row)
		return NULL;
	bh_read_cpu(row, cgroup);
	bh_read_throttling(row, cgroup);
	bh_read_memory(row, stats, cgroup);
	row->read_ns = stats->pass_ns;
	bh_settle_memory(cgroup, **label, row);
	bh_read_processes(row, cgroup);
	bh_read_io(row, cgroup);
	bh_read_pressure(row, cgroup);
	return row;
}

SEC("iter/cgroup")
int bh_meter(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgroup = ctx->cgroup;
	struct bh_stats *stats;
	struct bh_label *label;
	__u32 zero = 0;

	stats = bpf_map_lookup_elem(&bh_stats, &zero);
	if (!cgroup || !stats)
		return 0;
	if (!ctx->meta->seq_num)
		bh_begin_pass(stats);
	bh_read_cgroup(cgroup, stats, &label);
	return 0;
}

/*
 * Before the kernel looks whether the directory can be removed. We withdraw an environment's record
 * before we remove its cgroup, so that this is somebody else's doing.
 */
SEC("lsm.s/inode_rmdir")
int BPF_PROG(bh_removing, struct inode *parent, struct dentry *dentry)
{
	__u64 id;

	if (BPF_CORE_READ(dentry, d_sb, s_magic) != BH_MAGIC_CGROUP2)
		return 0;
	id = BPF_CORE_READ(dentry, d_inode, i_ino);
	if (bpf_map_lookup_elem(&bh_cgroups, &id))
		bh_flush_cgroup(id);
	return 0;
}

/*
 * It is empty and cannot be entered any more, and what was counted is still there: the kernel lets
 * go of cgroup_mutex after this, which is what passes wait for too. The other hierarchies, whose
 * cgroups may have the same ids, are those of version 1.
 */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(bh_removed, struct cgroup *cgroup)
{
	struct bh_stats *stats;
	struct bh_label *label;
	struct bh_usage *row;
	__u32 zero = 0;

	stats = bpf_map_lookup_elem(&bh_stats, &zero);
	if (!stats || cgroup->root->hierarchy_id)
		return 0;
	stats->pass_ns = bpf_ktime_get_boot_ns();
	row = bh_read_cgroup(cgroup, stats, &label);
	if (!row)
		return 0;
	bh_add_unflushed_io(cgroup, label->slot);
	bh_stop_clock(*label);
	row->removed_ns = row->read_ns;
	return 0;
}
