/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which environment's socket is at an address. The kernel's own look-up finds it in the network
 * namespace of who asks; whose it is says its cgroup, which a socket has from who made it, whoever
 * accepted, bound or was handed it.
 */
#ifndef BULKHEAD_REACH_BPF_H
#define BULKHEAD_REACH_BPF_H

#include "bpf/egress.bpf.h"

#define BH_MAX_SOCKET_CGROUP_DEPTH 32
#define BH_CURRENT_NETNS ((__u64)-1)

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_reach);
} bh_reaches SEC(".maps") __weak;

/*
 * The same socket as the kernel has it. The verifier knows it as a bpf_sock, of which the cgroup
 * cannot be read; copied by a helper it is a number.
 */
static __always_inline struct sock *bh_kernel_sock(struct bpf_sock *sk)
{
	struct sock *same = NULL;

	bpf_probe_read_kernel(&same, sizeof(same), &sk);
	return same;
}

/* The environment that has the cgroup at this address or one above it. Left as it is: the host. */
__weak __noinline int bh_own_by_cgroup(__u64 address, struct bh_label *label)
{
	struct cgroup *cgroup = (struct cgroup *)address;
	int depth;

	if (!label)
		return 0;
	for (depth = 0; depth < BH_MAX_SOCKET_CGROUP_DEPTH && cgroup; depth++) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);
		struct bh_label *owner = bpf_map_lookup_elem(&bh_cgroups, &id);

		if (owner) {
			*label = *owner;
			return 0;
		}
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return 0;
}

/* From `from` to `to`, as a packet would have them. Returns the size, by which the family is told.
 */
static __always_inline __u32 bh_fill_tuple(struct bpf_sock_tuple *tuple,
					   const struct bh_endpoint *from,
					   const struct bh_endpoint *to)
{
	if (bh_family_of_address(to->address) == BH_FAMILY_IPV4) {
		__builtin_memcpy(&tuple->ipv4.saddr, from->address + 12, 4);
		__builtin_memcpy(&tuple->ipv4.daddr, to->address + 12, 4);
		tuple->ipv4.sport = bpf_htons(from->port);
		tuple->ipv4.dport = bpf_htons(to->port);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, from->address, 16);
	__builtin_memcpy(tuple->ipv6.daddr, to->address, 16);
	tuple->ipv6.sport = bpf_htons(from->port);
	tuple->ipv6.dport = bpf_htons(to->port);
	return sizeof(tuple->ipv6);
}

/* Fills in `to->owner`. `ctx`: of a program of socket addresses or of packets. */
static __always_inline void bh_find_owner(void *ctx, const struct bh_endpoint *from,
					  struct bh_endpoint *to)
{
	struct bpf_sock_tuple tuple = {};
	__u32 bytes = bh_fill_tuple(&tuple, from, to);
	struct bpf_sock *sk;

	if (to->protocol == BH_IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(ctx, &tuple, bytes, BH_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_udp(ctx, &tuple, bytes, BH_CURRENT_NETNS, 0);
	if (!sk)
		return;
	bh_own_by_cgroup((__u64)BPF_CORE_READ(bh_kernel_sock(sk), sk_cgrp_data.cgroup), &to->owner);
	bpf_sk_release(sk);
}

#endif
