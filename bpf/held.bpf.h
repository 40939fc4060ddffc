/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a task and a socket hold, where the kernel keeps it. Read as it is at that moment, without
 * its locks.
 */
#ifndef BULKHEAD_HELD_BPF_H
#define BULKHEAD_HELD_BPF_H

#include "bpf/identity.bpf.h"
#include "bpf/mount.bpf.h"
#include "bpf/decide_beancounters.h"
#include "bpf/wire_held.h"

/* Named so from 6.8 on; the old name is another field's then. */
struct mnt_namespace___later {
	unsigned int nr_mounts;
} __attribute__((preserve_access_index));
struct mnt_namespace___before {
	unsigned int mounts;
} __attribute__((preserve_access_index));

static __always_inline __u32 bh_mounts_in(struct mnt_namespace *ns)
{
	struct mnt_namespace___later *later = (void *)ns;

	if (bpf_core_field_exists(later->nr_mounts))
		return BPF_CORE_READ(later, nr_mounts);
	return BPF_CORE_READ((struct mnt_namespace___before *)ns, mounts);
}

/* The task's, when the environment made it or was given it; else NULL. */
static __always_inline struct mnt_namespace *bh_own_mounts_of(struct bh_environment *env,
							      struct task_struct *task)
{
	struct mnt_namespace *ns = BPF_CORE_READ(task, nsproxy, mnt_ns);

	if (!ns || (BPF_CORE_READ(ns, ns.inum) != env->mnt_ns &&
		    !bh_user_ns_is_own(env, BPF_CORE_READ(ns, user_ns))))
		return NULL;
	return ns;
}

/* Of its address space, told by one of those that share it. */
static __always_inline __u64 bh_private_pages_of(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (!mm || BPF_CORE_READ(mm, owner) != task)
		return 0;
	return BPF_CORE_READ(mm, data_vm) + BPF_CORE_READ(mm, stack_vm);
}

/* The kernel's count of what is to be sent begins at one. */
static __always_inline void bh_read_buffers(struct bh_held_socket *row, struct sock *sk)
{
	int type = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_type);
	int protocol = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	int family = BPF_CORE_READ(sk, __sk_common.skc_family);

	row->received = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	if (bh_socket_counter(family, type, protocol) == BH_BEANCOUNTER_NUMTCPSOCK) {
		row->kind = BH_SOCKET_TCP;
		row->sent = BPF_CORE_READ(sk, sk_wmem_queued);
	} else {
		row->kind = BH_SOCKET_OTHER;
		row->sent = BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter) - 1;
	}
}

#endif
