/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Part of wire.h: what the programs count and what one pass over the environments' cgroups leaves.
 */
#ifndef BULKHEAD_WIRE_USAGE_H
#define BULKHEAD_WIRE_USAGE_H

#include "bpf/wire.h"

/* Counts of one direction of network traffic, as the interfaces count them. */
struct bh_traffic {
	__u64 bytes;
	__u64 packets;
};
BH_ASSERT_SIZE(struct bh_traffic, 16);

enum bh_direction { BH_RECEIVED, BH_SENT, BH_DIRECTION_COUNT };
enum bh_family {
	BH_FAMILY_IPV4,
	BH_FAMILY_IPV6,
	BH_FAMILY_OTHER, /* ARP and the like; what packet sockets send */
	BH_FAMILY_COUNT
};

/* By whom a task lost its CPU although it could have gone on. */
enum bh_preemptor {
	BH_PREEMPTED_BY_ITSELF, /* another task of the same environment */
	BH_PREEMPTED_BY_OTHERS, /* of another environment */
	BH_PREEMPTED_BY_HOST, /* the kernel's own tasks among them */
	BH_PREEMPTOR_COUNT
};

/* Histogram of waits for a CPU. Bucket i: up to 1024 << 2i ns; the last one: all longer ones. */
#define BH_WAIT_BUCKETS 12
#define BH_WAIT_BOUND_NS(bucket) (1024ULL << 2 * (bucket))

BH_PURE __u32 bh_wait_bucket(__u64 wait_ns)
{
	__u32 bucket = 0;

	for (wait_ns = (wait_ns - 1) >> 10; wait_ns && bucket < BH_WAIT_BUCKETS - 1; wait_ns >>= 2)
		bucket++;
	return bucket;
}

/* Part of bh_state: absolute, written by the kernel only. */
struct bh_counts {
	__u64 run_delay_ns; /* runnable but waiting for a CPU */
	__u64 waits[BH_WAIT_BUCKETS]; /* how many of these waits were so long */
	__u64 preempted[BH_PREEMPTOR_COUNT]; /* involuntary switches */
	__u64 forks; /* tasks ever created: processes and threads */
	__u64 execs;
	struct bh_traffic traffic[BH_DIRECTION_COUNT][BH_FAMILY_COUNT];
	__u64 connects[BH_FAMILY_COUNT]; /* connect(2) of a stream that the fence let through */
	__u64 unreached[BH_FAMILY_COUNT]; /* bh_state.refused of EGRESS, by where to */
	__u64 memory_page_ms; /* memory held, times how long */
};
BH_ASSERT_SIZE(struct bh_counts, 296);

/* Directions and kinds of bh_usage. */
enum bh_io { BH_IO_READ, BH_IO_WRITE, BH_IO_COUNT };
enum bh_pressure { BH_PRESSURE_CPU, BH_PRESSURE_MEMORY, BH_PRESSURE_IO, BH_PRESSURE_COUNT };

/* Value of bh_usage: what one pass over the cgroups found. Absolute kernel values. */
struct bh_usage {
	__u64 serial; /* of the environment that was read; 0: never */
	__u64 read_ns; /* CLOCK_BOOTTIME of the pass */
	__u64 cpu_user_ns; /* divided by the reader, as cpu.stat does; never goes back */
	__u64 cpu_system_ns;
	__u64 cpu_ns; /* user and system as the scheduler has them (cpu.stat usage_usec) */
	__u64 memory_bytes;
	__u64 memory_peak_bytes;
	__u64 swap_bytes;
	__u64 anon_bytes;
	__u64 file_bytes;
	__u64 shmem_bytes;
	__u64 kernel_bytes;
	__u64 slab_bytes;
	__u64 sock_bytes;
	__u64 oom_kills;
	__u64 processes; /* tasks now, threads included (pids.current) */
	__u64 processes_peak;
	__u64 io_bytes[BH_IO_COUNT];
	__u64 io_operations[BH_IO_COUNT];
	__u64 pressure_some_ns[BH_PRESSURE_COUNT];
	__u64 pressure_full_ns[BH_PRESSURE_COUNT];
	__u64 cpu_user_sampled_ns; /* by timer tick; cpu_ns is divided in their proportion */
	__u64 cpu_system_sampled_ns;
	__u64 cpu_nice_ns; /* part of user time; kept by the kernel from 6.13 on */
	__u64 throttled_ns; /* runnable, but over its cpu.max; of all CPUs */
	__u64 periods; /* of cpu.max, in which something ran */
	__u64 throttled_periods;
	__u64 faults; /* minor and major */
	__u64 major_faults;
	__u64 scanned_pages; /* looked at to be reclaimed */
	__u64 reclaimed_pages;
	__u64 removed_ns; /* the pass was taken as the cgroup was removed: nothing changes any more
			   */
};
BH_ASSERT_SIZE(struct bh_usage, 304);

#endif
