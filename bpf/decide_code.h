/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on files that become code: which lie in no directory, which changed too late.
 * Compiles as C for the programs and as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_CODE_H
#define BULKHEAD_DECIDE_CODE_H

#include "bpf/decide.h"

#define BH_SB_NOUSER (1UL << 31)
#define BH_NS_PER_SECOND 1000000000ULL
/* Beyond it a time does not fit into nanoseconds. */
#define BH_MAX_SECONDS 9000000000LL

/*
 * memfd, System V memory, O_TMPFILE and what was deleted have no name; a super block that only the
 * kernel mounts has none that a process could use.
 */
BH_PURE int bh_lies_in_no_directory(__u32 links, __u64 sb_flags)
{
	return !links || sb_flags & BH_SB_NOUSER;
}

/* When an inode was changed last: content, links or attributes. No system call sets it. */
struct bh_change_time {
	__s64 seconds;
	__u32 nanoseconds;
	__u32 granularity_ns; /* the file system rounds down to a multiple of it */
};

/* `since`: CLOCK_REALTIME_COARSE, the clock that changes are stamped with. */
BH_PURE int bh_changed_since(const struct bh_change_time *change, __u64 since)
{
	if (change->seconds < 0)
		return 0;
	if (change->seconds > BH_MAX_SECONDS)
		return 1;
	return change->seconds * BH_NS_PER_SECOND + change->nanoseconds + change->granularity_ns >
	       since;
}

#endif
