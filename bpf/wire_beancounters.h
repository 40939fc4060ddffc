/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Part of wire.h: bounds on the kernel objects that an environment made. */
#ifndef BULKHEAD_WIRE_BEANCOUNTERS_H
#define BULKHEAD_WIRE_BEANCOUNTERS_H

#include "bpf/wire.h"

/*
 * What is counted: X(ENUM, name). The first BH_MAX_BEANCOUNTERS have a place in an environment's
 * row, and so a bound that programs keep. Append-only, but for those.
 */
#define BH_BEANCOUNTERS(X)                                                                         \
	X(NUMPROC, numproc)                                                                        \
	X(NUMFILE, numfile)                                                                        \
	X(NUMTCPSOCK, numtcpsock)                                                                  \
	X(NUMOTHERSOCK, numothersock)                                                              \
	X(NUMUNIXSOCK, numunixsock)                                                                \
	X(NUMPTY, numpty)                                                                          \
	X(NUMFLOCK, numflock)                                                                      \
	X(NUMINOTIFY, numinotify)                                                                  \
	X(NUMSIGINFO, numsiginfo)                                                                  \
	X(PHYSPAGES, physpages)                                                                    \
	X(SWAPPAGES, swappages)                                                                    \
	X(KMEMSIZE, kmemsize)                                                                      \
	X(SHMPAGES, shmpages)                                                                      \
	X(LOCKEDPAGES, lockedpages)                                                                \
	X(DCACHESIZE, dcachesize)                                                                  \
	X(NUMMNT, nummnt)                                                                          \
	X(PRIVVMPAGES, privvmpages)                                                                \
	X(TCPSNDBUF, tcpsndbuf)                                                                    \
	X(TCPRCVBUF, tcprcvbuf)                                                                    \
	X(OTHERSOCKBUF, othersockbuf)                                                              \
	X(DGRAMRCVBUF, dgramrcvbuf)                                                                \
	X(NUMIPTENT, numiptent)

enum bh_beancounter_id {
#define BH_BEANCOUNTER_ENUM(id, name) BH_BEANCOUNTER_##id,
	BH_BEANCOUNTERS(BH_BEANCOUNTER_ENUM)
#undef BH_BEANCOUNTER_ENUM
		BH_BEANCOUNTER_COUNT
};

#define BH_MAX_BEANCOUNTERS 11 /* the first of them: what programs may count or watch */
#define BH_MAX_CHARGES 65536 /* live objects of all environments that are counted */
#define BH_UNLIMITED (~0ULL)

/*
 * `barrier`, `limit` and `epoch` are user space's, the others the kernel's. An object is charged
 * in an epoch, a time in which the programs were attached without a break: of what was charged
 * before, the end may have been missed. Of what the cgroup bounds, `held` is what was found at the
 * last look.
 */
struct bh_beancounter {
	__u64 held;
	__u64 maxheld;
	__u64 barrier;
	__u64 limit;
	__u64 failcnt;
	__u64 warned_ns; /* CLOCK_BOOTTIME at which the barrier was last said to be passed */
	__u32 epoch;
	__u32 told_s; /* likewise of the last refusal, where no more than one a second is told */
};
BH_ASSERT_SIZE(struct bh_beancounter, 56);

/*
 * Value of bh_beans, a row for each slot. `serial` is stored once the row is the environment's;
 * `counted` has a bit for each counter that charges.
 */
struct bh_beancounters {
	__u32 serial;
	__u32 counted;
	struct bh_beancounter counters[BH_MAX_BEANCOUNTERS];
	__u64 pad[2]; /* a few rows fill a few pages */
};
BH_ASSERT_SIZE(struct bh_beancounters, 640);

/* Value of bh_charges, by the object's address: who made it, whoever frees it. */
struct bh_charge {
	struct bh_label label;
	__u32 counter;
	__u32 epoch;
};
BH_ASSERT_SIZE(struct bh_charge, 16);

#endif
