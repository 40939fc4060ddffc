/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a memory cgroup has of some kinds, for who is no pass over the cgroups (meter_cgroup.bpf.c).
 */
#ifndef BULKHEAD_MEMORY_KINDS_BPF_H
#define BULKHEAD_MEMORY_KINDS_BPF_H

#include "bpf/kernel.bpf.h"

struct bh_memory_kinds {
	__u64 kernel_bytes;
	__u64 reclaimable_bytes; /* names, inodes and the like */
	__u64 shared_pages;
	__u64 unevictable_pages;
};

/*
 * As the kernel added it up last, two seconds ago at most: what brings it up to date may sleep.
 * Not 0 when it is known. `cgroup`: an address, whose id is `id`.
 */
int bh_read_kinds_of(__u64 id, __u64 cgroup, struct bh_memory_kinds *kinds);

#endif
