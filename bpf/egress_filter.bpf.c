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
#include "bpf/egress.bpf.h"

#define BH_PROTOCOL_UNKNOWN 255
#define BH_MAX_HEADERS 8

/* What a cgroup program of packets returns. */
#define BH_PACKET_REFUSED 0 /* the sender is told EPERM */
#define BH_PACKET_PASSES 1
#define BH_PACKET_VANISHES 2

/* Extension headers of IPv6 that have their length in the second byte; a fragment's is fixed. */
static __always_inline bool bh_is_extension(__u8 header)
{
	return header == 0 || header == 43 || header == 60 || header == 135 || header == 44;
}

static __always_inline void bh_read_port(struct __sk_buff *skb, __u32 at, struct bh_endpoint *to)
{
	__u16 port = 0;

	if (!bh_protocol_has_ports(to->protocol))
		return;
	bpf_skb_load_bytes(skb, at + 2, &port, sizeof(port));
	to->port = bpf_ntohs(port);
}

/* A fragment that is not the first has no port: only rules for all ports fit. */
static __always_inline bool bh_read_v4(struct __sk_buff *skb, struct bh_endpoint *to)
{
	struct iphdr header;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)))
		return false;
	bh_map_v4(to->address, header.daddr);
	to->protocol = header.protocol;
	if (!(bpf_ntohs(header.frag_off) & 0x1fff))
		bh_read_port(skb, header.ihl * 4, to);
	return true;
}

static __always_inline bool bh_read_v6(struct __sk_buff *skb, struct bh_endpoint *to)
{
	struct ipv6hdr header;
	__u32 at = sizeof(header);
	__u8 next;
	int i;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)))
		return false;
	__builtin_memcpy(to->address, &header.daddr, sizeof(to->address));
	next = header.nexthdr;
	for (i = 0; i < BH_MAX_HEADERS && bh_is_extension(next); i++) {
		__u8 part[4];

		if (bpf_skb_load_bytes(skb, at, part, sizeof(part)))
			return false;
		at += next == 44 ? 8 : (part[1] + 1) * 8;
		if (next == 44 && (part[2] || part[3] & 0xf8)) {
			to->protocol = part[0];
			return true;
		}
		next = part[0];
	}
	to->protocol = bh_is_extension(next) ? BH_PROTOCOL_UNKNOWN : next;
	bh_read_port(skb, at, to);
	return true;
}

static __always_inline bool bh_read_packet(struct __sk_buff *skb, struct bh_endpoint *to)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return bh_read_v4(skb, to);
	return bh_read_v6(skb, to);
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

/* Whose task sent it is not known here: the one that runs may be any. */
static __noinline int bh_count_packet(struct bh_subject *subject, struct bh_endpoint *to,
				      __u32 family)
{
	struct bh_request request = {
		.hook = BH_HOOK_cgroup_egress,
		.class_id = BH_CLASS_EGRESS,
		.flags = to->flags & ~BH_REQUEST_SETTLED,
		.error = -EPERM,
		.object_kind = BH_OBJECT_SOCKET,
		.rule = to->rule,
		.values = { family, 0, to->protocol, to->port },
		.name = (const char *)to->address,
		.name_bytes = sizeof(to->address),
	};
	struct bh_refusal *row;
	__u64 sequence;

	if (!subject->state)
		return 0;
	__sync_fetch_and_add(&subject->state->refused[BH_CLASS_EGRESS], 1);
	bh_count_unreached(subject, to->rule, 0,
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

/* The message was counted as refused where it was sent. */
static __always_inline int bh_let_vanish(struct bh_subject *subject, __u32 rule)
{
	struct bh_rule_use *use = bh_use_of_rule(subject, rule);

	if (use)
		__sync_fetch_and_add(&use->dropped, 1);
	return BH_PACKET_VANISHES;
}

SEC("cgroup_skb/egress")
int bh_cg_filter(struct __sk_buff *skb)
{
	struct bh_label *label = bpf_get_local_storage(&bh_net_cgroups, 0);
	struct bh_subject subject = { .label = *label };
	struct bh_endpoint to = {};
	int verdict = BH_VERDICT_REFUSE;

	bh_subject_resolve(&subject);
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_EGRESS))
		return BH_PACKET_PASSES;
	if (bh_read_packet(skb, &to))
		verdict = bh_judge(&subject, &to);
	else
		to.flags = bh_settle(&subject, BH_CLASS_EGRESS, &to.rule);
	if (verdict == BH_VERDICT_ALLOW)
		return bh_let_pass(skb, &subject, to.rule);
	if (bh_answers(skb))
		return bh_let_pass(skb, &subject, BH_RULE_ANSWERS);
	if (to.flags & BH_REFUSAL_AUDITED)
		return bh_let_pass(skb, &subject, to.rule);
	if (verdict == BH_VERDICT_DROP)
		return bh_let_vanish(&subject, to.rule);
	bh_count_packet(&subject, &to,
			skb->protocol == bpf_htons(ETH_P_IP) ? BH_AF_INET : BH_AF_INET6);
	return BH_PACKET_REFUSED;
}
