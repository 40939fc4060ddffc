/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about other environments: which a policy names, in [ipc] and in
 * [network], and for what. Included by wire.h.
 */
#ifndef BULKHEAD_WIRE_IPC_H
#define BULKHEAD_WIRE_IPC_H

#define BH_MAX_PEERS 65536 /* names in all environments' policies */

/* What two environments may do to each other when both policies say so. */
enum bh_peer_act {
	BH_PEER_SIGNAL = 1 << 0,
	BH_PEER_CONNECT = 1 << 1, /* to Unix sockets, by path and by abstract name */
	BH_PEER_SHARE_MEMORY = 1 << 2, /* use System V objects */
};

/*
 * Key of bh_peers: the other environment by its name, zero-padded as in bh_environment: of the
 * living no two have one name. A generation with such rows has one without a name.
 */
struct bh_peer_key {
	struct bh_policy_key policy;
	char name[BH_NAME_BYTES];
};
BH_ASSERT_SIZE(struct bh_peer_key, 80);

/*
 * Value of bh_peers. Of the ports at which that environment is reached over the network the first
 * entry that fits decides; what none fits is decided by its address.
 */
#define BH_MAX_PEER_PORTS 8
struct bh_peer {
	__u32 acts; /* bh_peer_act */
	__u32 pad;
	struct bh_port_rule ports[BH_MAX_PEER_PORTS];
};
BH_ASSERT_SIZE(struct bh_peer, 72);

#endif
