// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which ports are served: binding a TCP or UDP socket to one, and listening. A port that the
 * kernel chooses (0) may be bound, as clients do, but not listened on.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide_network.h"

static __always_inline bool bh_serves_ports(struct sock *sk)
{
	return (sk->__sk_common.skc_family == BH_AF_INET ||
		sk->__sk_common.skc_family == BH_AF_INET6) &&
	       bh_protocol_has_ports(bh_rule_protocol(sk->sk_protocol));
}

/* True when one policy entire lets `own` be served; else `own` has what a refusal is recorded with.
 */
static __noinline int bh_may_serve(struct bh_subject *subject, struct bh_endpoint *own)
{
	int i;

	if (!subject || !own)
		return 0;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_policy *policy = bh_policy_of(subject);
		bool allowed;

		own->rule = 0;
		allowed = policy && bh_listen_verdict(policy, own) == BH_VERDICT_ALLOW;
		if (!allowed)
			own->flags = bh_settle(subject, BH_CLASS_LISTEN, &own->rule);
		if (bh_is_current(subject))
			return allowed;
		bh_subject_resolve(subject);
		if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_LISTEN))
			return 1;
	}
	own->rule = 0;
	own->flags = BH_REQUEST_SETTLED | BH_REFUSAL_INTERNAL;
	return 0;
}

static __noinline int bh_check_port(struct bh_subject *subject, struct sock *sk, __u16 hook,
				    __u16 port)
{
	struct bh_endpoint own = { .port = port, .protocol = bh_rule_protocol(sk->sk_protocol) };

	if (bh_may_serve(subject, &own))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_LISTEN,
		.flags = own.flags,
		.object_kind = BH_OBJECT_SOCKET,
		.rule = own.rule,
		.values = { sk->__sk_common.skc_family, sk->sk_type, own.protocol, port },
	};
	return bh_decide(subject, &request, -EPERM);
}

/* The port is read as the kernel reads it: whatever the family that the address names. */
SEC("lsm/socket_bind")
int BPF_PROG(bh_sock_bind, struct socket *sock, struct sockaddr *address, int bytes)
{
	struct sock *sk = sock->sk;
	struct bh_subject subject;
	__u16 port = 0;

	if (!sk || !bh_serves_ports(sk) || !bh_subject_current(&subject) ||
	    !BH_CONTROL_REFUSES(subject.control, BH_CLASS_LISTEN))
		return 0;
	/* sin_port and sin6_port lie at the same place. */
	bpf_probe_read_kernel(&port, sizeof(port), (void *)address + sizeof(__u16));
	if (!port)
		return 0;
	return bh_check_port(&subject, sk, BH_HOOK_socket_bind, bpf_ntohs(port));
}

/* Without bind() the kernel chooses a port now: the number is 0 here, which no rule lists. */
SEC("lsm/socket_listen")
int BPF_PROG(bh_sock_listen, struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	struct bh_subject subject;

	if (!sk || !bh_serves_ports(sk) || !bh_subject_current(&subject) ||
	    !BH_CONTROL_REFUSES(subject.control, BH_CLASS_LISTEN))
		return 0;
	return bh_check_port(&subject, sk, BH_HOOK_socket_listen, sk->__sk_common.skc_num);
}
