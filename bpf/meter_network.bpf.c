// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network traffic by direction.
 *
 * An environment with its own network namespace is counted at its interfaces, as they count
 * themselves: to the byte. One in the host's namespace has no interface of its own; its sockets
 * are counted at the IP layer by programs on its cgroup.
 */
#include "bpf/maps.bpf.h"

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

static __always_inline void bh_count(struct bh_traffic *traffic, __u64 bytes)
{
	__sync_fetch_and_add(&traffic->bytes, bytes);
	__sync_fetch_and_add(&traffic->packets, 1);
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

	if (!state)
		return 0;
	if (dev->flags & BH_IFF_LOOPBACK) {
		bh_count(&state->counts.traffic[BH_RECEIVED], skb->len);
		bh_count(&state->counts.traffic[BH_SENT], skb->len);
		return 0;
	}
	bh_count(&state->counts.traffic[BH_RECEIVED], skb->len + dev->hard_header_len);
	return 0;
}

/* `skb` may be gone when the driver had it. rc 0: NETDEV_TX_OK. */
SEC("tp_btf/net_dev_xmit")
int BPF_PROG(bh_transmit, struct sk_buff *skb, int rc, struct net_device *dev, unsigned int len)
{
	struct bh_state *state;

	if (rc != 0)
		return 0;
	state = bh_state_of_device(dev);
	if (state && !(dev->flags & BH_IFF_LOOPBACK))
		bh_count(&state->counts.traffic[BH_SENT], len);
	return 0;
}

SEC("cgroup_skb/ingress")
int bh_cg_receive(struct __sk_buff *skb)
{
	struct bh_state *state = bh_state_of(bpf_get_local_storage(&bh_net_cgroups, 0));

	if (state)
		bh_count(&state->counts.traffic[BH_RECEIVED], skb->len);
	return 1;
}

SEC("cgroup_skb/egress")
int bh_cg_send(struct __sk_buff *skb)
{
	struct bh_state *state = bh_state_of(bpf_get_local_storage(&bh_net_cgroups, 0));

	if (state)
		bh_count(&state->counts.traffic[BH_SENT], skb->len);
	return 1;
}
