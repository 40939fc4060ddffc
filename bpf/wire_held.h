/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What passes over the kernel's own books write, a row for each entry, to whoever reads them. */
#ifndef BULKHEAD_WIRE_HELD_H
#define BULKHEAD_WIRE_HELD_H

#include "bpf/wire.h"

/* The kernel's hash of all ucounts, UCOUNTS_HASHTABLE_BITS of its kernel/ucount.c. */
#define BH_UCOUNT_BUCKETS 1024

/* What a user has in a user namespace. */
struct bh_ucount {
	__u64 watches;
	__u64 signals;
	__u32 user_ns; /* inode number; 0: the bucket changed meanwhile */
	__u32 uid; /* as the host sees it */
};
BH_ASSERT_SIZE(struct bh_ucount, 24);

/* What a task of an environment has. */
struct bh_held_task {
	struct bh_label label;
	__u64 private_pages; /* of its address space, told by one of those that share it */
	__u32 mnt_ns; /* inode number; 0: none that the environment made or was given */
	__u32 mounts; /* in that */
};
BH_ASSERT_SIZE(struct bh_held_task, 24);

enum bh_socket_kind { BH_SOCKET_TCP, BH_SOCKET_OTHER };

/* A socket that a task of an environment has a descriptor of: once for each. */
struct bh_held_socket {
	struct bh_label label;
	__u64 address;
	__u32 kind; /* bh_socket_kind */
	__u32 sent; /* bytes that wait to be sent, with what the kernel needs for them */
	__u32 received; /* likewise to be read */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_held_socket, 32);

#endif
