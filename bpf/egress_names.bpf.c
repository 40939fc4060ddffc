// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which environments the sockets of an environment reach, by name: on the cgroup of one whose
 * policy says so. The hooks of LSM leave to these what such a policy decides, as only they can find
 * the socket at an address; bh_cg_filter judges the packets.
 *
 * A name counts where the other's socket is in the same network namespace.
 */
#include "bpf/reach.bpf.h"
#include "bpf/local.bpf.h"

#define BH_ADDRESS_REFUSED 0 /* EPERM */
#define BH_ADDRESS_PASSES 1

/* What the socket is bound to; what is not bound leaves by the address that it goes to. */
static __always_inline void bh_fill_own(struct sock *sk, const struct bh_endpoint *to,
					struct bh_endpoint *own)
{
	__u32 v4 = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);

	own->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (bh_family_of_address(to->address) == BH_FAMILY_IPV4 && v4)
		bh_map_v4(own->address, v4);
	else
		__builtin_memcpy(own->address, to->address, sizeof(own->address));
}

static __noinline int bh_look_for_owner(struct bpf_sock_addr *ctx, struct bh_endpoint *to)
{
	struct bpf_sock *bound = ctx->sk;
	struct bh_endpoint own = {};
	struct sock *sk;

	if (!to || !bound || bh_is_multicast(to->address))
		return 0;
	sk = bh_kernel_sock(bound);
	if (!bh_is_local((__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net), to))
		return 0;
	bh_fill_own(sk, to, &own);
	bh_find_owner(ctx, &own, to);
	return 0;
}

/* As bh_finish_row(), with who it was: without storage of tasks, which these programs lack. */
static __always_inline void bh_finish_row_of_current(struct bh_refusal *row, __u64 sequence)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	row->pid = BPF_CORE_READ(task, tgid);
	row->tid = BPF_CORE_READ(task, pid);
	row->uid = BPF_CORE_READ(task, cred, uid.val);
	BPF_CORE_READ_INTO(&row->comm, task, comm);
	bh_finish_row(row, sequence);
}

static __always_inline void bh_count_for_exec(struct bh_reach *reach, __u32 act, __u32 index)
{
	__u64 number = reach->exec;
	struct bh_exec *row = number ? bpf_map_lookup_elem(&bh_execs, &number) : NULL;

	if (row)
		bh_count_in_row(row, act, index);
}

/* `error` 0: what is sent vanishes, and the sender is not told. */
static __noinline int bh_count_asked(struct bh_subject *subject, struct bh_endpoint *to,
				     struct bpf_sock_addr *ctx, struct bh_reach *reach,
				     __u32 hook_and_error)
{
	struct bh_request request = {
		.hook = hook_and_error >> 16,
		.class_id = BH_CLASS_EGRESS,
		.flags = to->flags & ~BH_REQUEST_SETTLED,
		.error = -(__s32)(hook_and_error & 0xffff),
		.object_kind = BH_OBJECT_SOCKET,
		.rule = to->rule,
		.values = { ctx->family, ctx->type, to->protocol, to->port },
		.name = (const char *)to->address,
		.name_bytes = sizeof(to->address),
		.reached = to->owner,
	};
	bool audited = to->flags & BH_REFUSAL_AUDITED;
	struct bh_refusal *row;
	__u64 sequence;

	if (!subject->state) {
		bh_count_orphan();
		return 0;
	}
	__sync_fetch_and_add(audited ? &subject->state->audited[BH_CLASS_EGRESS]
				     : &subject->state->refused[BH_CLASS_EGRESS],
			     1);
	if (to->flags & BH_REFUSAL_INTERNAL)
		__sync_fetch_and_add(&subject->state->internal, 1);
	bh_count_unreached(subject, to->rule, to->flags, bh_family_of_address(to->address));
	bh_count_for_exec(reach, audited ? BH_EXEC_AUDITED : BH_EXEC_REFUSED, BH_CLASS_EGRESS);
	bh_sign(subject, &request);
	row = bh_take_row(&request, &sequence);
	if (row)
		bh_finish_row_of_current(row, sequence);
	return 0;
}

/* As bh_count_connect(), which left it to this. */
static __noinline int bh_count_reached(struct bh_subject *subject, struct bh_endpoint *to,
				       struct bh_reach *reach)
{
	struct bh_rule_use *use = bh_use_of_rule(subject, to->rule);
	enum bh_family family = bh_family_of_address(to->address);

	if (!subject->state)
		return 0;
	if (family == BH_FAMILY_IPV6)
		__sync_fetch_and_add(&subject->state->counts.connects[BH_FAMILY_IPV6], 1);
	else
		__sync_fetch_and_add(&subject->state->counts.connects[BH_FAMILY_IPV4], 1);
	bh_count_for_exec(reach, BH_EXEC_CONNECTS, family);
	if (use)
		__sync_fetch_and_add(&use->connects, 1);
	return 0;
}

/* True where the packet is refused, or dropped, or recorded: to be counted here. */
static __always_inline bool bh_is_stopped(struct bpf_sock_addr *ctx, int verdict, __u32 hook)
{
	struct bpf_sock *sk = ctx->sk;

	if (verdict == BH_VERDICT_ALLOW)
		return false;
	/* On a connected socket the filter counts what it drops, whether a name came with it or
	 * not. */
	return verdict != BH_VERDICT_DROP || hook != BH_HOOK_cgroup_sendmsg || !sk ||
	       sk->state != BPF_TCP_ESTABLISHED;
}

static __noinline int bh_ask_names(struct bpf_sock_addr *ctx, struct bh_endpoint *to, __u32 hook)
{
	struct bh_label *label = bpf_get_local_storage(&bh_net_cgroups, 0);
	struct bh_subject subject = { .label = *label };
	struct bpf_sock *sk = ctx->sk;
	struct bh_reach *reach;
	int verdict, vanishes;

	if (!to || !sk || !bh_protocol_has_names(to->protocol))
		return BH_ADDRESS_PASSES;
	reach = bpf_sk_storage_get(&bh_reaches, sk, NULL, 0);
	if (!reach || !(reach->flags & BH_REACH_ASKED))
		return BH_ADDRESS_PASSES;
	bh_subject_resolve(&subject);
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_EGRESS))
		return BH_ADDRESS_PASSES;
	bh_look_for_owner(ctx, to);
	reach->peer = to->owner;
	reach->flags |= BH_REACH_KNOWN;
	verdict = bh_judge(&subject, to);
	vanishes = verdict == BH_VERDICT_DROP && hook == BH_HOOK_cgroup_sendmsg;
	if (bh_is_stopped(ctx, verdict, hook)) {
		bh_count_asked(&subject, to, ctx, reach, hook << 16 | (vanishes ? 0 : EPERM));
		if (!vanishes && !(to->flags & BH_REFUSAL_AUDITED))
			return BH_ADDRESS_REFUSED;
	}
	if (hook == BH_HOOK_cgroup_connect && to->protocol == BH_IPPROTO_TCP)
		bh_count_reached(&subject, to, reach);
	return BH_ADDRESS_PASSES;
}

static __always_inline int bh_ask_names_v4(struct bpf_sock_addr *ctx, __u32 hook)
{
	struct bh_endpoint to = { .protocol = ctx->protocol };

	to.port = bpf_ntohs(ctx->user_port);
	bh_map_v4(to.address, ctx->user_ip4);
	bh_map_unspecified(to.address);
	return bh_ask_names(ctx, &to, hook);
}

static __always_inline int bh_ask_names_v6(struct bpf_sock_addr *ctx, __u32 hook)
{
	struct bh_endpoint to = { .protocol = ctx->protocol };
	__u32 words[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	to.port = bpf_ntohs(ctx->user_port);
	__builtin_memcpy(to.address, words, sizeof(to.address));
	bh_map_unspecified(to.address);
	return bh_ask_names(ctx, &to, hook);
}

SEC("cgroup/connect4")
int bh_cg_connect4(struct bpf_sock_addr *ctx)
{
	return bh_ask_names_v4(ctx, BH_HOOK_cgroup_connect);
}

SEC("cgroup/connect6")
int bh_cg_connect6(struct bpf_sock_addr *ctx)
{
	return bh_ask_names_v6(ctx, BH_HOOK_cgroup_connect);
}

SEC("cgroup/sendmsg4")
int bh_cg_sendmsg4(struct bpf_sock_addr *ctx)
{
	return bh_ask_names_v4(ctx, BH_HOOK_cgroup_sendmsg);
}

SEC("cgroup/sendmsg6")
int bh_cg_sendmsg6(struct bpf_sock_addr *ctx)
{
	return bh_ask_names_v6(ctx, BH_HOOK_cgroup_sendmsg);
}
