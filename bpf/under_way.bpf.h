/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests under way are charges by the address of their task, which is even, and what kind of
 * request it is.
 */
#ifndef BULKHEAD_UNDER_WAY_BPF_H
#define BULKHEAD_UNDER_WAY_BPF_H

#include "bpf/beancounters.bpf.h"

enum bh_under_way {
	BH_WATCH_UNDER_WAY = 3,
	BH_SIGNAL_UNDER_WAY = 5,
	BH_FIRST_LOCK = 7, /* of those that a request may make */
	BH_SECOND_LOCK = 9,
	BH_LOCK_IS_CUT = 11, /* a mark: no charge */
};

static __always_inline __u64 bh_request_key(enum bh_under_way kind)
{
	return (__u64)bpf_get_current_task() + kind;
}

static __always_inline void bh_settle_locks(__u64 task)
{
	bh_uncharge_object(task + BH_FIRST_LOCK);
	bh_uncharge_object(task + BH_SECOND_LOCK);
	bh_uncharge_object(task + BH_LOCK_IS_CUT);
}

#endif
