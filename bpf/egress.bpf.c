// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where sockets reach: connecting, and every message that is sent. A message's own address counts,
 * and the peer of a connected socket again at each send, as the rules may have changed. What
 * answers a connection that was accepted passes: whom to serve is LISTEN's matter.
 *
 * The kernel sends more than these hooks see; bh_cg_filter judges the packets. Where a policy names
 * environments, programs on the cgroup decide what these leave to them (egress_names.bpf.c).
 *
 * Also here: the agent is not reached by an environment in the host's network.
 */
#include "bpf/reach.bpf.h"

#define BH_MSG_FASTOPEN 0x20000000
#define BH_TCP_CLOSE 7
#define BH_TCP_LISTEN 10

/* sockaddr_in and sockaddr_in6, as far as they matter. */
struct bh_name {
	__u16 family;
	__u16 port;
	__u32 v4; /* or the flow */
	__u8 v6[16];
};

static __always_inline bool bh_is_inet(__u16 family)
{
	return family == BH_AF_INET || family == BH_AF_INET6;
}

static __always_inline void bh_from_name(struct bh_endpoint *to, const struct bh_name *name,
					 __u16 family)
{
	to->port = bh_protocol_has_ports(to->protocol) ? bpf_ntohs(name->port) : 0;
	if (family == BH_AF_INET)
		bh_map_v4(to->address, name->v4);
	else
		__builtin_memcpy(to->address, name->v6, sizeof(to->address));
	bh_map_unspecified(to->address);
}

static __always_inline void bh_from_peer(struct bh_endpoint *to, struct sock *sk)
{
	to->port = bh_protocol_has_ports(to->protocol) ? bpf_ntohs(sk->__sk_common.skc_dport) : 0;
	if (sk->__sk_common.skc_family == BH_AF_INET)
		bh_map_v4(to->address, sk->__sk_common.skc_daddr);
	else
		bpf_core_read(to->address, sizeof(to->address), &sk->__sk_common.skc_v6_daddr);
}

/* Of a packet socket, whose frames have no address that is known. */
static __always_inline enum bh_family bh_family_to(struct sock *sk, struct bh_endpoint *to)
{
	return sk->__sk_common.skc_family == BH_AF_PACKET ? BH_FAMILY_OTHER
							  : bh_family_of_address(to->address);
}

/* `error` 0: what is sent vanishes, and the sender is not told. */
static __noinline int bh_refuse_reach(struct bh_subject *subject, struct sock *sk,
				      struct bh_endpoint *to, __u32 hook_and_class, int error)
{
	struct bh_request request = {
		.hook = hook_and_class >> 16,
		.class_id = hook_and_class & 0xff,
		.flags = to->flags,
		.object_kind = BH_OBJECT_SOCKET,
		.rule = to->rule,
		.values = { sk->__sk_common.skc_family, sk->sk_type, to->protocol, to->port },
		.name = (const char *)to->address,
		.name_bytes = sizeof(to->address),
		.reached = to->owner,
	};
	int refused;

	if (error)
		refused = bh_decide(subject, &request, -EPERM);
	else
		refused = bh_decide(subject, &request, 0);
	if (request.class_id == BH_CLASS_EGRESS &&
	    (refused || !error || request.flags & BH_REFUSAL_AUDITED))
		bh_count_unreached(subject, request.rule, request.flags, bh_family_to(sk, to));
	return refused;
}

#define BH_BY(hook, class) ((__u32)BH_HOOK_##hook << 16 | BH_CLASS_##class)

/* The host's network has the agent; a task whose environment is gone is held to everything. */
static __always_inline bool bh_shares_network(struct bh_subject *subject)
{
	return !subject->env || subject->env->flags & BH_ENV_HOST_NETWORK;
}

/* Which addresses are the machine's own cannot be told here: the agent's port is refused on all. */
static __always_inline bool bh_is_agent(struct bh_subject *subject, __u16 port)
{
	__u32 zero = 0;
	struct bh_meta *meta;

	if (!bh_shares_network(subject))
		return false;
	meta = bpf_map_lookup_elem(&bh_meta, &zero);
	return !subject->env || !meta || (meta->agent_port && port == meta->agent_port);
}

/* Who has the verdict on what a socket reaches. */
enum bh_judge_of {
	BH_JUDGED_HERE,
	BH_JUDGED_BY_CGROUP, /* the programs on the environment's cgroup */
	BH_JUDGED_NOWHERE, /* they do not see this socket, which was made outside */
};

/* Whether the cgroup at this address is the one of this id or below it. */
__weak __noinline int bh_is_cgroup_within(__u64 address, __u64 id)
{
	struct cgroup *cgroup = (struct cgroup *)address;
	int depth;

	for (depth = 0; depth < BH_MAX_SOCKET_CGROUP_DEPTH && cgroup; depth++) {
		if (BPF_CORE_READ(cgroup, kn, id) == id)
			return 1;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return 0;
}

/* The flag of the record also stands while the policy changes: the policy's own tells. */
static __noinline int bh_who_judges_names(struct bh_subject *subject, struct sock *sk)
{
	struct bh_policy *policy;
	bool names = false;
	int i;

	if (!bh_protocol_has_names(sk->sk_protocol))
		return BH_JUDGED_HERE;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		policy = bh_policy_of(subject);
		names = policy && policy->flags & BH_POLICY_NAMES;
		if (bh_is_current(subject))
			break;
		bh_subject_resolve(subject);
	}
	if (!names || !subject->env)
		return BH_JUDGED_HERE;
	if (bh_is_cgroup_within((__u64)BPF_CORE_READ(sk, sk_cgrp_data.cgroup),
				subject->env->cgroup_id))
		return BH_JUDGED_BY_CGROUP;
	return BH_JUDGED_NOWHERE;
}

static __always_inline int bh_who_judges(struct bh_subject *subject, struct sock *sk)
{
	if (!subject->env || !(subject->env->flags & BH_ENV_NAMES))
		return BH_JUDGED_HERE;
	return bh_who_judges_names(subject, sk);
}

/* False: there is no memory for the mark by which those programs know what is theirs. */
static __always_inline bool bh_leave_to_cgroup(struct sock *sk)
{
	struct bh_exec_task *of = bh_exec_task_of(bpf_get_current_task_btf());
	struct bh_reach *reach =
		bpf_sk_storage_get(&bh_reaches, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!reach)
		return false;
	reach->exec = of ? of->number : 0;
	reach->flags |= BH_REACH_ASKED;
	return true;
}

/* As bh_judge(); where nobody can find out whom it reaches, nothing is reached. */
static __always_inline int bh_judge_here(struct bh_subject *subject, struct bh_endpoint *to,
					 int judge)
{
	int verdict = bh_judge(subject, to);

	if (verdict != BH_VERDICT_ALLOW || judge == BH_JUDGED_HERE ||
	    !BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
		return verdict;
	to->rule = 0;
	to->flags = bh_settle(subject, BH_CLASS_EGRESS, &to->rule) | BH_REFUSAL_INTERNAL;
	return BH_VERDICT_REFUSE;
}

/* In flags of an endpoint, beside those of a refusal: the programs on the cgroup decide. */
#define BH_ENDPOINT_LEFT (1 << 6)

/* AF_UNSPEC takes the peer away. */
static __always_inline int bh_check_connect(struct bh_subject *subject, struct sock *sk,
					    struct sockaddr *address, struct bh_endpoint *to)
{
	struct bh_name name = {};
	int judge;

	if (!bh_shares_network(subject) && !BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), address);
	if (!name.family)
		return 0;
	to->protocol = bh_rule_protocol(sk->sk_protocol);
	bh_from_name(to, &name, name.family);
	if (bh_is_agent(subject, bpf_ntohs(name.port)))
		return bh_refuse_reach(subject, sk, to, BH_BY(socket_connect, SELF), -EPERM);
	if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
		return 0;
	judge = bh_who_judges(subject, sk);
	if (judge == BH_JUDGED_BY_CGROUP && bh_leave_to_cgroup(sk)) {
		to->flags = BH_ENDPOINT_LEFT;
		return 0;
	}
	if (bh_judge_here(subject, to, judge) == BH_VERDICT_ALLOW)
		return 0;
	return bh_refuse_reach(subject, sk, to, BH_BY(socket_connect, EGRESS), -EPERM);
}

/* A socket of IPv6 also takes mapped addresses of IPv4. */
static __always_inline enum bh_family bh_family_connected(struct sock *sk, struct sockaddr *address)
{
	struct bh_name name = {};

	if (sk->__sk_common.skc_family == BH_AF_INET)
		return BH_FAMILY_IPV4;
	bpf_probe_read_kernel(&name, sizeof(name), address);
	return bh_family_of_address(name.v6);
}

/*
 * A socket that asks again, while it connects or when it has, opens nothing new. `to` is filled
 * where rules were asked.
 */
static __noinline int bh_count_connect(struct bh_subject *subject, struct socket *sock,
				       struct sock *sk, struct sockaddr *address,
				       struct bh_endpoint *to)
{
	struct bh_rule_use *use;
	enum bh_family family;

	if (!subject->state || sk->sk_type != BH_SOCK_STREAM || sock->state != SS_UNCONNECTED)
		return 0;
	family = bh_family_connected(sk, address);
	if (family == BH_FAMILY_IPV6)
		__sync_fetch_and_add(&subject->state->counts.connects[BH_FAMILY_IPV6], 1);
	else
		__sync_fetch_and_add(&subject->state->counts.connects[BH_FAMILY_IPV4], 1);
	bh_count_act(BH_EXEC_CONNECTS, family);
	if (!to->protocol || !BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS))
		return 0;
	use = bh_use_of_rule(subject, to->rule);
	if (use)
		__sync_fetch_and_add(&use->connects, 1);
	return 0;
}

SEC("lsm/socket_connect")
int BPF_PROG(bh_sock_connect, struct socket *sock, struct sockaddr *address)
{
	struct sock *sk = sock->sk;
	struct bh_endpoint to = {};
	struct bh_subject subject;
	int refused;

	if (!sk || !bh_is_inet(sk->__sk_common.skc_family) || !bh_subject_current(&subject))
		return 0;
	refused = bh_check_connect(&subject, sk, address, &to);
	if (!refused && !(to.flags & BH_ENDPOINT_LEFT))
		bh_count_connect(&subject, sock, sk, address, &to);
	return refused;
}

static __always_inline int bh_check_reach(struct bh_subject *subject, struct sock *sk,
					  struct bh_endpoint *to, int judge)
{
	int verdict = bh_judge_here(subject, to, judge);

	if (verdict == BH_VERDICT_ALLOW)
		return 0;
	return bh_refuse_reach(subject, sk, to, BH_BY(socket_sendmsg, EGRESS),
			       verdict == BH_VERDICT_DROP ? 0 : -EPERM);
}

/*
 * As which family the kernel reads the name of a message; 0: it sends to the peer. Without a family
 * a name is IPv4 or IPv6 like its socket, but for UDP over IPv6 none.
 */
static __always_inline __u16 bh_family_of_name(struct sock *sk, const struct bh_name *name)
{
	__u16 family = sk->__sk_common.skc_family;

	if (family == BH_AF_INET)
		return BH_AF_INET;
	if (name->family == BH_AF_INET)
		return BH_AF_INET;
	if (!name->family && sk->sk_protocol == BH_IPPROTO_UDP)
		return 0;
	return BH_AF_INET6;
}

/* Whose the other end is was found when the stream connected. A datagram's may be another's now. */
static __always_inline bool bh_knows_peer(struct sock *sk, struct bh_endpoint *to)
{
	struct bh_reach *reach = NULL;

	if (sk->sk_type == BH_SOCK_STREAM)
		reach = bpf_sk_storage_get(&bh_reaches, sk, NULL, 0);
	if (!reach || !(reach->flags & BH_REACH_KNOWN))
		return false;
	to->owner = reach->peer;
	return true;
}

/* What is not known here is left to the filter of packets. */
static __always_inline int bh_check_peer_of(struct bh_subject *subject, struct sock *sk,
					    struct bh_endpoint *to)
{
	int judge = bh_who_judges(subject, sk);
	__u8 state = sk->__sk_common.skc_state;
	struct sock *first = sk;

	if (state == BH_TCP_CLOSE || state == BH_TCP_LISTEN)
		return 0;
	if (sk->sk_protocol == BH_IPPROTO_MPTCP)
		first = BPF_CORE_READ((struct mptcp_sock *)sk, first);
	if (sk->sk_type == BH_SOCK_STREAM && bh_is_accepted((struct inet_sock *)first))
		return 0;
	if (judge == BH_JUDGED_BY_CGROUP) {
		if (!bh_knows_peer(sk, to))
			return 0;
		judge = BH_JUDGED_HERE;
	}
	bh_from_peer(to, sk);
	return bh_check_reach(subject, sk, to, judge);
}

static __always_inline int bh_check_named(struct bh_subject *subject, struct sock *sk,
					  struct bh_endpoint *to)
{
	int judge = bh_who_judges(subject, sk);

	if (judge == BH_JUDGED_BY_CGROUP && bh_leave_to_cgroup(sk))
		return 0;
	return bh_check_reach(subject, sk, to, judge);
}

/* A stream has a name for a message only with Fast Open, which connects without socket_connect. */
static __noinline int bh_check_send(struct bh_subject *subject, struct sock *sk, struct msghdr *msg)
{
	struct bh_endpoint to = { .protocol = bh_rule_protocol(sk->sk_protocol) };
	bool stream = sk->sk_type == BH_SOCK_STREAM;
	bool asked = BH_CONTROL_REFUSES(subject->control, BH_CLASS_EGRESS);
	struct bh_name name = {};
	__u16 family = 0;

	/* A packet socket sends whole frames: to whom, no rule can say. */
	if (sk->__sk_common.skc_family == BH_AF_PACKET)
		return asked ? bh_refuse_reach(subject, sk, &to, BH_BY(socket_sendmsg, EGRESS),
					       -EPERM)
			     : 0;
	if (msg->msg_name && msg->msg_namelen > 0 &&
	    (!stream || msg->msg_flags & BH_MSG_FASTOPEN)) {
		bpf_probe_read_kernel(&name, sizeof(name), msg->msg_name);
		family = bh_family_of_name(sk, &name);
	}
	if (family) {
		bh_from_name(&to, &name, family);
		if (stream && bh_is_agent(subject, to.port))
			return bh_refuse_reach(subject, sk, &to, BH_BY(socket_sendmsg, SELF),
					       -EPERM);
		return asked ? bh_check_named(subject, sk, &to) : 0;
	}
	return asked ? bh_check_peer_of(subject, sk, &to) : 0;
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(bh_sock_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct sock *sk = sock->sk;
	struct bh_subject subject;

	if (!sk ||
	    !(bh_is_inet(sk->__sk_common.skc_family) || sk->__sk_common.skc_family == BH_AF_PACKET))
		return 0;
	if (!bh_subject_current(&subject) ||
	    (!bh_shares_network(&subject) && !BH_CONTROL_REFUSES(subject.control, BH_CLASS_EGRESS)))
		return 0;
	return bh_check_send(&subject, sk, msg);
}
