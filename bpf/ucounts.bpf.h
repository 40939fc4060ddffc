/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel counts to the users of a user namespace (ucounts), where it keeps it: a hash of
 * lists. What is made in a namespace below counts there and here, so that a namespace's own entries
 * are all of it.
 *
 * The lists are walked without their lock. An entry that is still linked after its successor was
 * read had that successor then; else the bucket is walked again.
 */
#ifndef BULKHEAD_UCOUNTS_BPF_H
#define BULKHEAD_UCOUNTS_BPF_H

#include "bpf/identity.bpf.h"
#include "bpf/wire_held.h"

#define BH_MAX_UCOUNT_CHAIN 64
#define BH_UCOUNT_TRIES 4

/* Where the hash is; 0: nobody has looked yet. Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bh_ucounts SEC(".maps") __weak;

static __always_inline bool bh_knows_ucounts(void)
{
	__u32 zero = 0;
	__u64 *hash = bpf_map_lookup_elem(&bh_ucounts, &zero);

	return hash && *hash;
}

/* Lists end with NULL, or from 6.15 on with an odd number. */
static __always_inline bool bh_is_list_end(__u64 node)
{
	return !node || node & 1;
}

/* `node`, the first member of an entry, as hlist_node and hlist_nulls_node alike. */
static __always_inline __u64 bh_next_ucount(__u64 node, bool *is_torn)
{
	__u64 links[2] = {};
	__u64 back = 0;

	bpf_probe_read_kernel(links, sizeof(links), (void *)node);
	bpf_probe_read_kernel(&back, sizeof(back), (void *)links[1]);
	*is_torn = back != node;
	return links[0];
}

static __always_inline __u64 bh_ucount_bucket(__u32 index)
{
	__u32 zero = 0;
	__u64 *hash = bpf_map_lookup_elem(&bh_ucounts, &zero);
	__u64 first = 0;

	if (hash && *hash)
		bpf_probe_read_kernel(&first, sizeof(first), (void *)(*hash + index * 8ULL));
	return first;
}

#define bh_ucounts_at(node)                                                                        \
	((struct ucounts *)((void *)(node)-bpf_core_field_offset(struct ucounts, node)))

static __always_inline __u64 bh_watches_offset(void)
{
	return bpf_core_field_offset(struct ucounts, ucount) +
	       sizeof(long) * bpf_core_enum_value(enum ucount_type, UCOUNT_INOTIFY_WATCHES);
}

static __always_inline __u64 bh_signals_offset(void)
{
	return bpf_core_field_offset(struct ucounts, rlimit) +
	       sizeof(long) * bpf_core_enum_value(enum rlimit_type, UCOUNT_RLIMIT_SIGPENDING);
}

/* A count that is on its way below zero is none. */
static __always_inline __u64 bh_ucount_at(struct ucounts *ucounts, __u64 offset)
{
	long count = 0;

	bpf_probe_read_kernel(&count, sizeof(count), (void *)ucounts + offset);
	return count > 0 ? count : 0;
}

struct bh_ucount_sum {
	__u64 ns; /* address */
	__u64 offset; /* of the count in an entry */
	__u64 total;
	__u64 is_torn;
};

/*
 * Not 0 when the whole bucket was seen. Global, so that the verifier looks at the walk once, and
 * not for each try within the loop over buckets.
 */
__weak __noinline int bh_sum_bucket(__u64 node, struct bh_ucount_sum *sum)
{
	bool is_torn = false;
	__u64 total = 0;
	int i;

	if (!sum)
		return 0;
	for (i = 0; i < BH_MAX_UCOUNT_CHAIN && !bh_is_list_end(node); i++) {
		struct ucounts *ucounts = bh_ucounts_at(node);

		if ((__u64)BPF_CORE_READ(ucounts, ns) == sum->ns)
			total += bh_ucount_at(ucounts, sum->offset);
		node = bh_next_ucount(node, &is_torn);
		if (is_torn)
			return 0;
	}
	sum->total += total;
	return bh_is_list_end(node);
}

static long bh_add_bucket(__u32 index, struct bh_ucount_sum *sum)
{
	int i;

	for (i = 0; i < BH_UCOUNT_TRIES; i++) {
		__u64 first = bh_ucount_bucket(index);

		if (bh_is_list_end(first) || bh_sum_bucket(first, sum))
			return 0;
	}
	sum->is_torn = 1;
	return 1;
}

/* The environment's user namespace, seen from the current task; 0: the task is not in it. */
static __always_inline __u64 bh_user_ns_address(struct bh_environment *env)
{
	struct user_namespace *ns = BPF_CORE_READ(bpf_get_current_task_btf(), cred, user_ns);
	int depth;

	for (depth = 0; depth < 8 && ns; depth++) {
		if (BPF_CORE_READ(ns, ns.inum) == env->user_ns)
			return (__u64)ns;
		ns = BPF_CORE_READ(ns, parent);
	}
	return 0;
}

/* False: the books changed all the time. */
static __always_inline bool bh_sum_ucounts(__u64 ns, __u64 offset, __u64 *total)
{
	struct bh_ucount_sum sum = { .ns = ns, .offset = offset };

	bpf_loop(BH_UCOUNT_BUCKETS, bh_add_bucket, &sum, 0);
	*total = sum.total;
	return !sum.is_torn;
}

#endif
