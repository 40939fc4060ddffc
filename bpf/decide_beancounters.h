/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on beancounters. Compiles as C for the programs and as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_BEANCOUNTERS_H
#define BULKHEAD_DECIDE_BEANCOUNTERS_H

#include "bpf/decide.h"

/* Which counter a socket is charged to. `protocol` 0 is the family's own for the type. */
BH_PURE int bh_socket_counter(int family, int type, int protocol)
{
	if (family == BH_AF_UNIX)
		return BH_BEANCOUNTER_NUMUNIXSOCK;
	if ((family == BH_AF_INET || family == BH_AF_INET6) && type == BH_SOCK_STREAM &&
	    (!protocol || protocol == BH_IPPROTO_TCP || protocol == BH_IPPROTO_MPTCP))
		return BH_BEANCOUNTER_NUMTCPSOCK;
	return BH_BEANCOUNTER_NUMOTHERSOCK;
}

BH_PURE int bh_has_room(__u64 held, __u64 limit)
{
	return held < limit;
}

#define BH_WARN_AGAIN_NS 1000000000ULL

/*
 * The object that takes `held` past the barrier is told of, once a second at most: a count that
 * moves to and fro at the barrier would push every refusal out of the ring.
 */
BH_PURE int bh_warns(__u64 held, __u64 barrier, __u64 warned_ns, __u64 now_ns)
{
	return barrier != BH_UNLIMITED && held == barrier + 1 &&
	       (!warned_ns || now_ns - warned_ns >= BH_WARN_AGAIN_NS);
}

/* The same of what others count, which was `before` at the last look. */
BH_PURE int bh_warns_since(__u64 before, __u64 held, __u64 barrier, __u64 warned_ns, __u64 now_ns)
{
	return before <= barrier && held > barrier &&
	       (!warned_ns || now_ns - warned_ns >= BH_WARN_AGAIN_NS);
}

/* The task that was made just now is one of `held`, though not all forks since were looked at. */
BH_PURE __u64 bh_tasks_before(__u64 last, __u64 held)
{
	return held && last >= held ? held - 1 : last;
}

#endif
