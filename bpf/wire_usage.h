/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Part of wire.h: what one pass over the environments' cgroups leaves. */
#ifndef BULKHEAD_WIRE_USAGE_H
#define BULKHEAD_WIRE_USAGE_H

#include "bpf/wire.h"

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
};
BH_ASSERT_SIZE(struct bh_usage, 232);

#endif
