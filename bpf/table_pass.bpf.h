/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pass over the tasks that a reader of its own table sees, for what no program counts: what an
 * address space, a mount namespace and a socket hold is added up once, whoever shares it.
 *
 * What has no lock of ours may be freed while it is read: reading fails then, or finds something
 * else. Only a socket that its inode still has is believed.
 */
#ifndef BULKHEAD_TABLE_PASS_BPF_H
#define BULKHEAD_TABLE_PASS_BPF_H

#include "bpf/held.bpf.h"

#define BH_MAX_TABLE_PASSES 1024 /* readers at one moment */
#define BH_MAX_TABLE_SEEN 16384 /* sockets and mount namespaces, of all of them */
#define BH_MAX_TABLE_DESCRIPTORS 65536 /* of a task */
#define BH_BITS_PER_WORD 64

enum bh_table_pass_flags {
	BH_PASS_HAS_FIRST =
		1 << 0, /* it met the environment's first task: none is hidden from it */
	BH_PASS_LACKS_SOCKETS = 1 << 1, /* there were more than it takes */
	BH_PASS_LACKS_MOUNTS = 1 << 2,
};

/* One open file, until all is printed. */
struct bh_table_pass {
	__u64 session;
	__u64 newest; /* of bh_table_seen, each of which has the one before */
	struct bh_label label;
	__u32 flags;
	__u32 known; /* a bit for each counter in `held` that has been read */
	__u64 held[BH_BEANCOUNTER_COUNT];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_TABLE_PASSES);
	__type(key, __u64);
	__type(value, struct bh_table_pass);
} bh_table_passes SEC(".maps");

struct bh_table_key {
	__u64 session;
	__u64 address;
};

/* Value: the address before it in the same pass; 0: it was the first. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_TABLE_SEEN);
	__type(key, struct bh_table_key);
	__type(value, __u64);
} bh_table_seen SEC(".maps");

/* A new pass starts as this one: it is larger than a program's stack has room for. */
static const struct bh_table_pass bh_new_pass = {};

static __always_inline struct bh_table_pass *bh_begin_pass(__u64 session, struct bh_label label)
{
	struct bh_table_pass *pass = bpf_map_lookup_elem(&bh_table_passes, &session);

	if (pass || bpf_map_update_elem(&bh_table_passes, &session, &bh_new_pass, BPF_NOEXIST))
		return pass;
	pass = bpf_map_lookup_elem(&bh_table_passes, &session);
	if (pass) {
		pass->session = session;
		pass->label = label;
	}
	return pass;
}

static long bh_forget_seen(__u32 unused, struct bh_table_key *key)
{
	__u64 *before = bpf_map_lookup_elem(&bh_table_seen, key);
	__u64 next = before ? *before : 0;

	bpf_map_delete_elem(&bh_table_seen, key);
	key->address = next;
	return !next;
}

static __always_inline void bh_end_pass(struct bh_table_pass *pass)
{
	struct bh_table_key key = { .session = pass->session, .address = pass->newest };
	__u64 session = pass->session;

	if (key.address)
		bpf_loop(BH_MAX_TABLE_SEEN, bh_forget_seen, &key, 0);
	bpf_map_delete_elem(&bh_table_passes, &session);
}

enum bh_sight { BH_SEEN_FIRST, BH_SEEN_BEFORE, BH_NOT_KEPT };

static __always_inline enum bh_sight bh_see(struct bh_table_pass *pass, __u64 address)
{
	struct bh_table_key key = { .session = pass->session, .address = address };
	__u64 before = pass->newest;

	if (bpf_map_lookup_elem(&bh_table_seen, &key))
		return BH_SEEN_BEFORE;
	if (bpf_map_update_elem(&bh_table_seen, &key, &before, BPF_NOEXIST))
		return BH_NOT_KEPT;
	pass->newest = address;
	return BH_SEEN_FIRST;
}

static __always_inline void bh_add_buffers(struct bh_table_pass *pass, struct sock *sk)
{
	struct bh_held_socket row = {};

	bh_read_buffers(&row, sk);
	if (row.kind == BH_SOCKET_TCP) {
		pass->held[BH_BEANCOUNTER_TCPSNDBUF] += row.sent;
		pass->held[BH_BEANCOUNTER_TCPRCVBUF] += row.received;
	} else {
		pass->held[BH_BEANCOUNTER_OTHERSOCKBUF] += row.sent;
		pass->held[BH_BEANCOUNTER_DGRAMRCVBUF] += row.received;
	}
}

/*
 * `place`: of a pointer to a file, where the lowest of `open` says that there is one. Global, like
 * those below, so that the verifier looks at it once.
 */
__weak __noinline int bh_add_file(__u64 open, __u64 place, struct bh_table_pass *pass)
{
	struct socket *socket;
	struct file *file = NULL;
	struct sock *sk;

	if (!pass || !(open & 1))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)place);
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, sk_socket) != socket)
		return 0;
	switch (bh_see(pass, (__u64)sk)) {
	case BH_SEEN_FIRST:
		bh_add_buffers(pass, sk);
		break;
	case BH_NOT_KEPT:
		pass->flags |= BH_PASS_LACKS_SOCKETS;
		break;
	default:
		break;
	}
	return 0;
}

struct bh_open_files {
	__u64 words; /* a bit for each descriptor */
	__u64 files;
	struct bh_table_pass *pass;
};

static long bh_add_word(__u32 index, struct bh_open_files *open)
{
	__u64 word = 0, bit;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)(open->words + index * sizeof(word)));
	if (!word)
		return 0;
	for (bit = 0; bit < BH_BITS_PER_WORD; bit++)
		bh_add_file(word >> bit,
			    open->files + (index * BH_BITS_PER_WORD + bit) * sizeof(void *),
			    open->pass);
	return 0;
}

static __always_inline void bh_add_sockets(struct bh_table_pass *pass, struct task_struct *task)
{
	struct files_struct *files = BPF_CORE_READ(task, files);
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct fdtable *table = BPF_CORE_READ(files, fdt);
	__u32 descriptors = BPF_CORE_READ(table, max_fds);
	struct bh_open_files open = {
		.words = (__u64)BPF_CORE_READ(table, open_fds),
		.files = (__u64)BPF_CORE_READ(table, fd),
		.pass = pass,
	};

	if (!files || (task != leader && BPF_CORE_READ(leader, files) == files))
		return;
	if (descriptors > BH_MAX_TABLE_DESCRIPTORS) {
		pass->flags |= BH_PASS_LACKS_SOCKETS;
		descriptors = BH_MAX_TABLE_DESCRIPTORS;
	}
	bpf_loop(descriptors / BH_BITS_PER_WORD, bh_add_word, &open, 0);
}

static __always_inline void bh_add_mounts(struct bh_table_pass *pass, struct bh_environment *env,
					  struct task_struct *task)
{
	struct mnt_namespace *ns = bh_own_mounts_of(env, task);

	if (!ns)
		return;
	switch (bh_see(pass, (__u64)ns)) {
	case BH_SEEN_FIRST:
		pass->held[BH_BEANCOUNTER_NUMMNT] += bh_mounts_in(ns);
		break;
	case BH_NOT_KEPT:
		pass->flags |= BH_PASS_LACKS_MOUNTS;
		break;
	default:
		break;
	}
}

/* `address`: of a task of the pass's environment. */
__weak __noinline int bh_add_task(__u64 address, struct bh_table_pass *pass)
{
	struct task_struct *task = (void *)address;
	struct bh_environment *env;
	__u32 slot;

	if (!pass)
		return 0;
	slot = pass->label.slot;
	env = bpf_map_lookup_elem(&bh_envs, &slot);
	if (!env || env->serial != pass->label.serial)
		return 0;
	if ((__u32)BPF_CORE_READ(task, pid) == env->init_pid)
		pass->flags |= BH_PASS_HAS_FIRST;
	pass->held[BH_BEANCOUNTER_PRIVVMPAGES] += bh_private_pages_of(task);
	bh_add_mounts(pass, env, task);
	bh_add_sockets(pass, task);
	return 0;
}

#define BH_OF_SOCKETS                                                                              \
	(1U << BH_BEANCOUNTER_TCPSNDBUF | 1U << BH_BEANCOUNTER_TCPRCVBUF |                         \
	 1U << BH_BEANCOUNTER_OTHERSOCKBUF | 1U << BH_BEANCOUNTER_DGRAMRCVBUF)

/* What was added up is known where nothing was missed. */
static __always_inline void bh_know_sums(struct bh_table_pass *pass)
{
	if (!(pass->flags & BH_PASS_HAS_FIRST))
		return;
	pass->known |= 1U << BH_BEANCOUNTER_PRIVVMPAGES;
	if (!(pass->flags & BH_PASS_LACKS_SOCKETS))
		pass->known |= BH_OF_SOCKETS;
	if (!(pass->flags & BH_PASS_LACKS_MOUNTS))
		pass->known |= 1U << BH_BEANCOUNTER_NUMMNT;
}

static __always_inline void bh_know(struct bh_table_pass *pass, __u32 id, __u64 held)
{
	pass->held[id] = held;
	pass->known |= 1U << id;
}

#endif
