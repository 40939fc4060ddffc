/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether an address is the network namespace's own. A listener on all addresses is found for any
 * address, so that this has to be known before a socket that was found says who is reached.
 *
 * Programs of sockets have no helper for it. The tables of local routes are walked as the kernel's
 * own look-ups do (fib_table_lookup(), fib6_node_lookup_1()), for whole addresses only.
 */
#ifndef BULKHEAD_LOCAL_BPF_H
#define BULKHEAD_LOCAL_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/decide_network.h"

#define BH_RT_TABLE_LOCAL 255
#define BH_RTN_LOCAL 2
#define BH_MAX_LOCAL_TABLES 4 /* with one hash */
#define BH_MAX_LOCAL_ALIASES 8
#define BH_MAX_V4_STEPS 33
#define BH_MAX_V6_STEPS 129

static __always_inline struct fib_table *bh_local_table(struct net *net)
{
	struct hlist_head *heads = BPF_CORE_READ(net, ipv4.fib_table_hash);
	struct hlist_node *node = BPF_CORE_READ(&heads[BH_RT_TABLE_LOCAL], first);
	int i;

	for (i = 0; i < BH_MAX_LOCAL_TABLES && node; i++) {
		struct fib_table *table =
			(void *)node - bpf_core_field_offset(struct fib_table, tb_hlist);

		if (BPF_CORE_READ(table, tb_id) == BH_RT_TABLE_LOCAL)
			return table;
		node = BPF_CORE_READ(node, next);
	}
	return NULL;
}

/* The leaf of a whole address may be another table's too: a trie is shared without own rules. */
static __always_inline bool bh_leaf_is_local(struct key_vector *leaf)
{
	struct hlist_node *node = BPF_CORE_READ(leaf, leaf.first);
	int i;

	for (i = 0; i < BH_MAX_LOCAL_ALIASES && node; i++) {
		struct fib_alias *alias =
			(void *)node - bpf_core_field_offset(struct fib_alias, fa_list);

		if (BPF_CORE_READ(alias, fa_type) == BH_RTN_LOCAL && !BPF_CORE_READ(alias, fa_slen))
			return true;
		node = BPF_CORE_READ(node, next);
	}
	return false;
}

/* `index` is one of a node's children, 2 to the power of its `bits`. */
static __always_inline struct key_vector *bh_child(struct key_vector *node, __u64 index)
{
	struct key_vector *child = NULL;

	bpf_probe_read_kernel(&child, sizeof(child),
			      (void *)node + bpf_core_field_offset(struct key_vector, leaf) +
				      index * sizeof(child));
	return child;
}

static __always_inline bool bh_is_local_v4(struct net *net, __u32 address)
{
	struct fib_table *table = bh_local_table(net);
	struct key_vector *node;
	int i;

	if (!table)
		return false;
	node = bh_child((struct key_vector *)BPF_CORE_READ(table, tb_data), 0);
	for (i = 0; i < BH_MAX_V4_STEPS && node; i++) {
		__u32 bits = BPF_CORE_READ(node, bits);
		__u64 index =
			(address ^ BPF_CORE_READ(node, key)) >> (BPF_CORE_READ(node, pos) & 31);

		if (bits > 31 || index >> bits)
			return false;
		if (!bits)
			return bh_leaf_is_local(node);
		node = bh_child(node, index);
	}
	return false;
}

static __always_inline bool bh_route_is_local_v6(struct fib6_info *route, const __u8 *address)
{
	__u64 wanted[2], found[2] = {};

	__builtin_memcpy(wanted, address, sizeof(wanted));
	BPF_CORE_READ_INTO(&found, route, fib6_dst.addr);
	return BPF_CORE_READ(route, fib6_type) == BH_RTN_LOCAL &&
	       BPF_CORE_READ(route, fib6_dst.plen) == 128 && wanted[0] == found[0] &&
	       wanted[1] == found[1];
}

static __always_inline bool bh_is_local_v6(struct net *net, const __u8 *address)
{
	struct fib6_table *table;
	struct fib6_node *node;
	int i;

	if (!bpf_core_field_exists(net->ipv6.fib6_local_tbl))
		return false;
	table = BPF_CORE_READ(net, ipv6.fib6_local_tbl);
	if (!table)
		return false;
	node = (void *)table + bpf_core_field_offset(struct fib6_table, tb6_root);
	for (i = 0; i < BH_MAX_V6_STEPS; i++) {
		__u32 bit = BPF_CORE_READ(node, fn_bit);
		struct fib6_node *next;

		if (bit > 127)
			break;
		if (address[bit >> 3 & 15] >> (7 - (bit & 7)) & 1)
			next = BPF_CORE_READ(node, right);
		else
			next = BPF_CORE_READ(node, left);
		if (!next)
			break;
		node = next;
	}
	return bh_route_is_local_v6(BPF_CORE_READ(node, leaf), address);
}

/* `net` as a number: global, so that the verifier looks at the walks once in a program. */
__weak __noinline int bh_is_local(__u64 network, struct bh_endpoint *to)
{
	struct net *net = (struct net *)network;
	__u32 v4;

	if (!to)
		return 0;
	if (bh_is_loopback(to->address))
		return 1;
	if (bh_family_of_address(to->address) != BH_FAMILY_IPV4)
		return bh_is_local_v6(net, to->address);
	__builtin_memcpy(&v4, to->address + 12, sizeof(v4));
	return bh_is_local_v4(net, bpf_ntohl(v4));
}

#endif
