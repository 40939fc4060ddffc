// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets: which may be made, and whose Unix sockets may be reached.
 *
 * A Unix socket belongs to the environment of the task that made it, by path and by abstract name
 * alike; one that no environment made is the host's. It is reached from another environment where
 * both policies say so.
 */
#include "bpf/peers.bpf.h"
#include "bpf/decide.h"

SEC("lsm/socket_create")
int BPF_PROG(bh_sock_create, int family, int type, int protocol, int kern)
{
	struct bh_subject subject;
	int class_id = bh_socket_class(family, type, protocol);

	if (kern || !bh_subject_current(&subject) || (class_id < 0 && subject.env))
		return 0;

	struct bh_request request = {
		.hook = BH_HOOK_socket_create,
		.class_id = class_id < 0 ? BH_CLASS_FAMILIES : class_id,
		.object_kind = BH_OBJECT_SOCKET,
		.values = { (__u32)family, (__u32)type, (__u32)protocol },
	};
	/* PAM goes on without an audit socket at this error, and only at this one. */
	if (family == BH_AF_NETLINK)
		return bh_decide(&subject, &request, -EPROTONOSUPPORT);
	return bh_decide(&subject, &request, -EPERM);
}

/* Packets are counted for the exec that made the socket. */
static __always_inline int bh_number_socket(struct socket *sock, int family)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bh_task *labelled = bh_task_of(task);
	struct bh_exec_task *of;
	struct bh_exec_sock *number;
	struct sock *sk;

	if ((family != BH_AF_INET && family != BH_AF_INET6) || !labelled || !labelled->of_exec)
		return 0;
	of = bh_exec_task_of(task);
	sk = sock->sk;
	if (!of || !sk)
		return 0;
	number = bpf_sk_storage_get(&bh_exec_socks, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!number)
		return -ENOMEM;
	number->number = of->number;
	return 0;
}

/* Also each end of a socketpair. A socket that cannot be labelled would be the host's: refused. */
SEC("lsm/socket_post_create")
int BPF_PROG(bh_sock_label, struct socket *sock, int family, int type, int protocol, int kern)
{
	struct bh_subject subject;
	struct bh_label *label = NULL;
	struct sock *sk;

	if (kern)
		return 0;
	if (family != BH_AF_UNIX)
		return bh_number_socket(sock, family);
	if (!bh_subject_current(&subject))
		return 0;
	sk = sock->sk;
	if (sk)
		label = bpf_sk_storage_get(&bh_socks, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (label) {
		*label = subject.label;
		return 0;
	}

	struct bh_request request = {
		.hook = BH_HOOK_socket_post_create,
		.class_id = BH_CLASS_UNIX,
		.flags = BH_REFUSAL_INTERNAL,
		.object_kind = BH_OBJECT_SOCKET,
		.values = { (__u32)family, (__u32)type, (__u32)protocol },
	};
	return bh_decide(&subject, &request, -ENOMEM);
}

/* A path is terminated in the kernel's copy of the address; an abstract name has its length. */
static __always_inline void bh_name_unix(struct bh_request *request, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	char first = 0;
	int bytes;

	if (!address)
		return;
	request->name = (const char *)address + bpf_core_field_offset(struct unix_address, name) +
			sizeof(__kernel_sa_family_t);
	bpf_probe_read_kernel(&first, 1, request->name);
	if (first)
		return;
	bytes = BPF_CORE_READ(address, len) - (int)sizeof(__kernel_sa_family_t) - 1;
	request->name++;
	request->name_bytes = bytes > 0 ? bytes : 0;
}

static __always_inline int bh_check_peer(struct bh_subject *subject, struct sock *peer,
					 struct bh_label *owner, __u16 hook)
{
	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_UNIX,
		.object_kind = BH_OBJECT_SOCKET,
		.peer_act = BH_PEER_CONNECT,
		.values = { BH_AF_UNIX },
	};

	if (owner && bh_label_equal(*owner, subject->label) && subject->env)
		return 0;
	request.values[1] = BPF_CORE_READ(peer, sk_type);
	if (owner) {
		request.values[2] = owner->slot;
		request.values[3] = owner->serial;
	}
	bh_name_unix(&request, peer);
	return bh_decide_on_peer(subject, &request, -EPERM);
}

/*
 * `accepted` is the end that accept() will return: it belongs to who listens, whoever connects.
 * Without memory for the label it is the host's.
 */
SEC("lsm/unix_stream_connect")
int BPF_PROG(bh_unix_connect, struct sock *sock, struct sock *other, struct sock *accepted)
{
	struct bh_subject subject;
	struct bh_label *owner = NULL;

	if (other->sk_bpf_storage)
		owner = bpf_sk_storage_get(&bh_socks, other, NULL, 0);
	if (owner)
		bpf_sk_storage_get(&bh_socks, accepted, owner, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!bh_subject_current(&subject))
		return 0;
	return bh_check_peer(&subject, other, owner, BH_HOOK_unix_stream_connect);
}

SEC("lsm/unix_may_send")
int BPF_PROG(bh_unix_send, struct socket *sock, struct socket *other)
{
	struct bh_subject subject;
	struct sock *peer;

	if (!bh_subject_current(&subject))
		return 0;
	peer = other->sk;
	if (!peer)
		return -EPERM;
	return bh_check_peer(&subject, peer, bpf_sk_storage_get(&bh_socks, peer, NULL, 0),
			     BH_HOOK_unix_may_send);
}
