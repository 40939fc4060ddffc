// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network traffic by direction and family.
 *
 * An environment with its own network namespace is counted at its interfaces, as they count
 * themselves: to the byte. One in the host's namespace has no interface of its own; its sockets
 * are counted at the IP layer by programs on its cgroup. So are those of an exec, in either, by
 * programs that are there while one lives.
 */
#include "bpf/execs.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define BH_IFF_LOOPBACK (1 << 3)

/* Inode number of the host's network namespace: its packets cost two loads and a compare. */
const volatile __u32 bh_host_netns;

static __always_inline struct bh_state *bh_state_of(const struct bh_label *label)
{
	__u32 slot = label->slot;
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);

	if (!env || env->serial != label->serial)
		return NULL;
	return bpf_map_lookup_elem(&bh_states, &slot);
}

static __always_inline struct bh_state *bh_state_of_device(struct net_device *dev)
{
	__u64 inode = dev->nd_net.net->ns.inum;
	struct bh_label *label;

	if (inode == bh_host_netns)
		return NULL;
	label = bpf_map_lookup_elem(&bh_netns, &inode);
	return label ? bh_state_of(label) : NULL;
}

/* `protocol` in network byte order. */
static __always_inline enum bh_family bh_family_of(__u16 protocol)
{
	if (protocol == bpf_htons(ETH_P_IP))
		return BH_FAMILY_IPV4;
	return protocol == bpf_htons(ETH_P_IPV6) ? BH_FAMILY_IPV6 : BH_FAMILY_OTHER;
}

static __always_inline void bh_add_packet(struct bh_traffic *traffic, __u64 bytes)
{
	__sync_fetch_and_add(&traffic->bytes, bytes);
	__sync_fetch_and_add(&traffic->packets, 1);
}

static __always_inline void bh_count(struct bh_state *state, enum bh_direction direction,
				     enum bh_family family, __u64 bytes)
{
	if (family < BH_FAMILY_COUNT)
		bh_add_packet(&state->counts.traffic[direction][family], bytes);
}

/*
 * The loopback device counts a packet once, for both directions, without its link header, when
 * it was queued for reception; so both are counted here. Others count the header.
 */
SEC("tp_btf/netif_receive_skb")
int BPF_PROG(bh_receive, struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;
	struct bh_state *state = bh_state_of_device(dev);
	enum bh_family family;

	if (!state)
		return 0;
	family = bh_family_of(skb->protocol);
	if (dev->flags & BH_IFF_LOOPBACK) {
		bh_count(state, BH_RECEIVED, family, skb->len);
		bh_count(state, BH_SENT, family, skb->len);
		return 0;
	}
	bh_count(state, BH_RECEIVED, family, skb->len + dev->hard_header_len);
	return 0;
}

/*
 * What drivers of this CPU are at: a device may hand on to another below it. The kernel keeps
 * software interrupts off from before the first of the two tracepoints until after the second.
 */
#define BH_MAX_SENDING 16 /* a power of two, above the kernel's XMIT_RECURSION_LIMIT */

struct bh_sending {
	__u64 skb;
	__u64 dev;
	__u64 family;
};

struct bh_sendings {
	__u64 count; /* the last one is below it; what lies further down has ended */
	struct bh_sending of[BH_MAX_SENDING];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_sendings);
} bh_sendings SEC(".maps");

static __always_inline struct bh_sendings *bh_sendings_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&bh_sendings, &zero);
}

/* Before the driver has it: afterwards nothing in `skb` can be relied on. */
SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(bh_begin_xmit, struct sk_buff *skb, struct net_device *dev)
{
	struct bh_sendings *sendings;
	struct bh_sending *sending;

	if (!bh_state_of_device(dev) || dev->flags & BH_IFF_LOOPBACK)
		return 0;
	sendings = bh_sendings_here();
	if (!sendings)
		return 0;
	sending = &sendings->of[sendings->count++ % BH_MAX_SENDING];
	sending->skb = (__u64)skb;
	sending->dev = (__u64)dev;
	sending->family = bh_family_of(skb->protocol);
	return 0;
}

static __always_inline enum bh_family bh_family_sent(struct sk_buff *skb, struct net_device *dev)
{
	struct bh_sendings *sendings = bh_sendings_here();
	struct bh_sending *sending;

	if (!sendings)
		return BH_FAMILY_OTHER;
	sending = &sendings->of[(sendings->count - 1) % BH_MAX_SENDING];
	if (sending->skb != (__u64)skb || sending->dev != (__u64)dev)
		return BH_FAMILY_OTHER;
	sendings->count--;
	return sending->family;
}

/* rc 0: NETDEV_TX_OK. */
SEC("tp_btf/net_dev_xmit")
int BPF_PROG(bh_transmit, struct sk_buff *skb, int rc, struct net_device *dev, unsigned int len)
{
	struct bh_state *state = bh_state_of_device(dev);
	enum bh_family family;

	if (!state || dev->flags & BH_IFF_LOOPBACK)
		return 0;
	family = bh_family_sent(skb, dev);
	if (rc == 0)
		bh_count(state, BH_SENT, family, len);
	return 0;
}

SEC("cgroup_skb/ingress")
int bh_cg_receive(struct __sk_buff *skb)
{
	struct bh_state *state = bh_state_of(bpf_get_local_storage(&bh_net_cgroups, 0));

	if (state)
		bh_count(state, BH_RECEIVED, bh_family_of(skb->protocol), skb->len);
	return 1;
}

SEC("cgroup_skb/egress")
int bh_cg_send(struct __sk_buff *skb)
{
	struct bh_state *state = bh_state_of(bpf_get_local_storage(&bh_net_cgroups, 0));

	if (state)
		bh_count(state, BH_SENT, bh_family_of(skb->protocol), skb->len);
	return 1;
}

static __always_inline void bh_count_of_exec(struct __sk_buff *skb, enum bh_direction direction)
{
	struct bpf_sock *sk = skb->sk;
	struct bh_exec_sock *of = sk ? bpf_sk_storage_get(&bh_exec_socks, sk, NULL, 0) : NULL;
	__u64 number = of ? of->number : 0;
	struct bh_exec *row = number ? bpf_map_lookup_elem(&bh_execs, &number) : NULL;
	enum bh_family family = bh_family_of(skb->protocol);

	if (row && family < BH_FAMILY_COUNT)
		bh_add_packet(&row->traffic[direction][family], skb->len);
}

SEC("cgroup_skb/ingress")
int bh_ex_receive(struct __sk_buff *skb)
{
	bh_count_of_exec(skb, BH_RECEIVED);
	return 1;
}

SEC("cgroup_skb/egress")
int bh_ex_send(struct __sk_buff *skb)
{
	bh_count_of_exec(skb, BH_SENT);
	return 1;
}
