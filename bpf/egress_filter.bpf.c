// SPDX-License-Identifier: GPL-2.0-only
/*
 * The packets of an environment whose policy has egress rules, on its cgroup: what leaves is
 * judged by the address in the packet. It is the backstop for what no socket hook sees (sendpage
 * of 6.1, source routes, subflows that a peer announced, retransmission after a change), and where
 * the verdict is to drop, it is what drops.
 *
 * What it lets through is counted by the rule that did.
 *
 * Answers of the kernel itself (ICMP, resets) have no socket of the environment and pass.
 */
#include "bpf/reach.bpf.h"

#define BH_PROTOCOL_UNKNOWN 255
#define BH_MAX_HEADERS 8
#define BH_LOOPBACK_INTERFACE 1 /* in each network namespace; what goes to its own addresses */

/* What a cgroup program of packets returns. */
#define BH_PACKET_REFUSED 0 /* the sender is told EPERM */
#define BH_PACKET_PASSES 1
#define BH_PACKET_VANISHES 2

/* Extension headers of IPv6 that have their length in the second byte; a fragment's is fixed. */
static __always_inline bool bh_is_extension(__u8 header)
{
	return header == 0 || header == 43 || header == 60 || header == 135 || header == 44;
}

/* Both ends of a packet. */
struct bh_flow {
	struct bh_endpoint from;
	struct bh_endpoint to;
};

static __always_inline void bh_read_ports(struct __sk_buff *skb, __u32 at, struct bh_flow *flow)
{
	__u16 ports[2] = {};

	if (!bh_protocol_has_ports(flow->to.protocol))
		return;
	bpf_skb_load_bytes(skb, at, ports, sizeof(ports));
	flow->from.port = bpf_ntohs(ports[0]);
	flow->to.port = bpf_ntohs(ports[1]);
}

/* A fragment that is not the first has no port: only rules for all ports fit. */
static __always_inline bool bh_read_v4(struct __sk_buff *skb, struct bh_flow *flow)
{
	struct iphdr header;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)))
		return false;
	bh_map_v4(flow->from.address, header.saddr);
	bh_map_v4(flow->to.address, header.daddr);
	flow->to.protocol = header.protocol;
	if (!(bpf_ntohs(header.frag_off) & 0x1fff))
		bh_read_ports(skb, header.ihl * 4, flow);
	return true;
}

static __always_inline bool bh_read_v6(struct __sk_buff *skb, struct bh_flow *flow)
{
	struct ipv6hdr header;
	__u32 at = sizeof(header);
	__u8 next;
	int i;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)))
		return false;
	__builtin_memcpy(flow->from.address, &header.saddr, sizeof(flow->from.address));
	__builtin_memcpy(flow->to.address, &header.daddr, sizeof(flow->to.address));
	next = header.nexthdr;
	for (i = 0; i < BH_MAX_HEADERS && bh_is_extension(next); i++) {
		__u8 part[4];

		if (bpf_skb_load_bytes(skb, at, part, sizeof(part)))
			return false;
		at += next == 44 ? 8 : (part[1] + 1) * 8;
		if (next == 44 && (part[2] || part[3] & 0xf8)) {
			flow->to.protocol = part[0];
			return true;
		}
		next = part[0];
	}
	flow->to.protocol = bh_is_extension(next) ? BH_PROTOCOL_UNKNOWN : next;
	bh_read_ports(skb, at, flow);
	return true;
}

static __always_inline bool bh_read_packet(struct __sk_buff *skb, struct bh_flow *flow)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return bh_read_v4(skb, flow);
	return bh_read_v6(skb, flow);
}

/* A request is what a listener keeps until the connection stands. */
static __always_inline bool bh_answers(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;

	if (!sk)
		return false;
	if (sk->state == BPF_TCP_NEW_SYN_RECV || sk->state == BPF_TCP_LISTEN)
		return true;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && bh_is_accepted(&tcp->inet_conn.icsk_inet);
}

static __always_inline struct bh_reach *bh_reach_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk ? bpf_sk_storage_get(&bh_reaches, sk, NULL, 0) : NULL;
}

/*
 * Whose the other end is. Of a stream it is known since it connected: when it ends, the other
 * end's socket is gone before the last packets.
 */
static __noinline int bh_find_peer(struct __sk_buff *skb, struct bh_flow *flow)
{
	struct bh_reach *reach;

	if (!flow || skb->ifindex != BH_LOOPBACK_INTERFACE ||
	    !bh_protocol_has_names(flow->to.protocol) || bh_is_multicast(flow->to.address))
		return 0;
	reach = flow->to.protocol == BH_IPPROTO_TCP ? bh_reach_of(skb) : NULL;
	if (reach && reach->peer.serial)
		flow->to.owner = reach->peer;
	else
		bh_find_owner(skb, &flow->from, &flow->to);
	return 0;
}

static __always_inline bool bh_names_environments(struct bh_subject *subject)
{
	return subject->env && subject->env->flags & BH_ENV_NAMES;
}

/* Whose task sent it is not known here: the one that runs may be any. */
static __noinline int bh_count_packet(struct bh_subject *subject, struct bh_endpoint *to,
				      __u32 family, __u32 error)
{
	struct bh_request request = {
		.hook = BH_HOOK_cgroup_egress,
		.class_id = BH_CLASS_EGRESS,
		.flags = to->flags & ~BH_REQUEST_SETTLED,
		.error = -(__s32)error,
		.object_kind = BH_OBJECT_SOCKET,
		.rule = to->rule,
		.values = { family, 0, to->protocol, to->port },
		.name = (const char *)to->address,
		.name_bytes = sizeof(to->address),
		.reached = to->owner,
	};
	struct bh_refusal *row;
	__u64 sequence;

	if (!subject->state)
		return 0;
	if (to->flags & BH_REFUSAL_AUDITED)
		__sync_fetch_and_add(&subject->state->audited[BH_CLASS_EGRESS], 1);
	else
		__sync_fetch_and_add(&subject->state->refused[BH_CLASS_EGRESS], 1);
	bh_count_unreached(subject, to->rule, to->flags,
			   family == BH_AF_INET ? BH_FAMILY_IPV4 : BH_FAMILY_IPV6);
	bh_sign(subject, &request);
	row = bh_take_row(&request, &sequence);
	if (row)
		bh_finish_row(row, sequence);
	return 0;
}

static __always_inline int bh_let_pass(struct __sk_buff *skb, struct bh_subject *subject,
				       __u32 rule)
{
	struct bh_rule_use *use = bh_use_of_rule(subject, rule);

	if (use) {
		__sync_fetch_and_add(&use->bytes, skb->len);
		__sync_fetch_and_add(&use->packets, 1);
	}
	return BH_PACKET_PASSES;
}

static __always_inline __u32 bh_packet_family(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) ? BH_AF_INET : BH_AF_INET6;
}

/*
 * Whether what is not allowed was counted where it was sent: all but what the hooks of sockets left
 * to this one, not knowing whom it reaches.
 */
static __always_inline bool bh_was_counted(struct __sk_buff *skb, struct bh_subject *subject,
					   struct bh_endpoint *to)
{
	struct bpf_sock *sk = skb->sk;
	struct bh_reach *reach;

	if (!sk || !bh_names_environments(subject) || !bh_protocol_has_names(to->protocol))
		return true;
	if (to->protocol == BH_IPPROTO_UDP)
		return sk->state != BPF_TCP_ESTABLISHED;
	reach = bh_reach_of(skb);
	return reach && reach->flags & BH_REACH_KNOWN;
}

static __always_inline int bh_let_vanish(struct __sk_buff *skb, struct bh_subject *subject,
					 struct bh_endpoint *to)
{
	struct bh_rule_use *use = bh_use_of_rule(subject, to->rule);

	if (use)
		__sync_fetch_and_add(&use->dropped, 1);
	if (!bh_was_counted(skb, subject, to))
		bh_count_packet(subject, to, bh_packet_family(skb), 0);
	return BH_PACKET_VANISHES;
}

/* Of a stream that nobody asked about each packet would be a row of its own. */
static __always_inline int bh_let_pass_audited(struct __sk_buff *skb, struct bh_subject *subject,
					       struct bh_endpoint *to)
{
	if (to->protocol == BH_IPPROTO_UDP && !bh_was_counted(skb, subject, to))
		bh_count_packet(subject, to, bh_packet_family(skb), EPERM);
	return bh_let_pass(skb, subject, to->rule);
}

SEC("cgroup_skb/egress")
int bh_cg_filter(struct __sk_buff *skb)
{
	struct bh_label *label = bpf_get_local_storage(&bh_net_cgroups, 0);
	struct bh_subject subject = { .label = *label };
	int verdict = BH_VERDICT_REFUSE;
	struct bh_flow flow = {};

	bh_subject_resolve(&subject);
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_EGRESS))
		return BH_PACKET_PASSES;
	if (bh_read_packet(skb, &flow)) {
		if (bh_names_environments(&subject))
			bh_find_peer(skb, &flow);
		verdict = bh_judge(&subject, &flow.to);
	} else {
		flow.to.flags = bh_settle(&subject, BH_CLASS_EGRESS, &flow.to.rule);
	}
	if (verdict == BH_VERDICT_ALLOW)
		return bh_let_pass(skb, &subject, flow.to.rule);
	if (bh_answers(skb))
		return bh_let_pass(skb, &subject, BH_RULE_ANSWERS);
	if (flow.to.flags & BH_REFUSAL_AUDITED)
		return bh_let_pass_audited(skb, &subject, &flow.to);
	if (verdict == BH_VERDICT_DROP)
		return bh_let_vanish(skb, &subject, &flow.to);
	bh_count_packet(&subject, &flow.to, bh_packet_family(skb), EPERM);
	return BH_PACKET_REFUSED;
}
