// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beancounters of what the kernel counts itself, for each user of a user namespace: inotify watches
 * and queued signals. What is held is read where the kernel keeps it; only what would make more is
 * judged here, while an environment has a bound on it.
 *
 * A request that is let through counts as under way until it is done, besides what the kernel
 * counts: whoever asks next sees it in one of the two, or for a moment in both, never in neither.
 */
#include "bpf/beancounters.bpf.h"
#include "bpf/syscall.bpf.h"
#include "bpf/ucounts.bpf.h"
#include "bpf/under_way.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define SIGRTMIN 32
#define FSNOTIFY_OBJ_TYPE_INODE 0
#define BH_MAX_MARKS 64 /* of one inode, in search of one */

struct bh_admission {
	__u64 key;
	__u64 offset; /* of the kernel's count in an entry */
	__u32 counter;
	__u32 pad;
};

static __always_inline bool bh_is_under_way(struct bh_subject *subject, struct bh_admission *wanted,
					    struct bh_beancounter *counter)
{
	struct bh_charge charge = {
		.label = subject->label,
		.counter = wanted->counter,
		.epoch = counter->epoch,
	};

	return !bpf_map_update_elem(&bh_charges, &wanted->key, &charge, BPF_ANY);
}

/* Whether the request would be the limit's or below; what is held, with it, is in `request` then.
 */
static __always_inline enum bh_taken bh_admit(struct bh_subject *subject,
					      struct bh_admission *wanted,
					      struct bh_beancounter *counter,
					      struct bh_request *request)
{
	__u64 ns = subject->env ? bh_user_ns_address(subject->env) : 0;
	enum bh_taken taken = BH_UNDECIDED;
	__u64 held = 0, under_way;

	/* What it makes counts elsewhere. */
	if (!ns)
		return BH_TAKEN;
	/* Its last one, where the program on its end was not run. */
	bh_uncharge_object(wanted->key);
	under_way = __sync_fetch_and_add(&counter->held, 1) + 1;
	if (bh_sum_ucounts(ns, wanted->offset, &held)) {
		held += under_way;
		taken = held > counter->limit ? BH_AT_LIMIT : BH_TAKEN;
		if (taken == BH_TAKEN && bh_is_under_way(subject, wanted, counter)) {
			bh_raise(&counter->maxheld, held);
			bh_watch_barrier(subject, counter, request, held);
			return BH_TAKEN;
		}
		request->values[1] = held - 1;
	}
	__sync_fetch_and_add(&counter->held, -1);
	request->flags = taken == BH_AT_LIMIT ? 0 : BH_REFUSAL_INTERNAL;
	return taken == BH_AT_LIMIT ? BH_AT_LIMIT : BH_UNDECIDED;
}

/* True when the inotify instance `fd` watches it already: the watch is changed, and none made. */
static __always_inline bool bh_is_watched(const struct path *path, int fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct inode *inode = BPF_CORE_READ(path, dentry, d_inode);
	__u64 place = (__u64)BPF_CORE_READ(task, files, fdt, fd) + fd * sizeof(struct file *);
	struct hlist_node *node;
	struct file *file = NULL;
	void *instance;
	int i;

	bpf_probe_read_kernel(&file, sizeof(file), (void *)place);
	instance = BPF_CORE_READ(file, private_data);
	node = BPF_CORE_READ(inode, i_fsnotify_marks, list.first);
	for (i = 0; i < BH_MAX_MARKS && node; i++) {
		struct fsnotify_mark *mark =
			(void *)node - bpf_core_field_offset(struct fsnotify_mark, obj_list);

		if (BPF_CORE_READ(mark, group) == instance)
			return true;
		node = BPF_CORE_READ(node, next);
	}
	return false;
}

/* Asked by inotify_add_watch before it looks whether there is such a watch; also by fanotify. */
SEC("lsm/path_notify")
int BPF_PROG(bh_bc_watch, const struct path *path, u64 mask, unsigned int type)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bh_admission wanted = { .counter = BH_BEANCOUNTER_NUMINOTIFY };
	struct bh_request request = {
		.hook = BH_HOOK_path_notify,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.error = -ENOSPC,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { BH_BEANCOUNTER_NUMINOTIFY },
	};
	struct bh_beancounter *counter;
	struct bh_subject subject;
	enum bh_taken taken;
	int fd;

	if (!bh_subject_current(&subject))
		return 0;
	counter = bh_beancounter_of(&subject.label, wanted.counter);
	fd = bh_watching_descriptor(task, (struct pt_regs *)bpf_task_pt_regs(task));
	if (!counter || fd < 0)
		return 0;
	wanted.key = bh_request_key(BH_WATCH_UNDER_WAY);
	wanted.offset = bh_watches_offset();
	taken = bh_admit(&subject, &wanted, counter, &request);
	if (taken == BH_TAKEN || (taken == BH_AT_LIMIT && bh_is_watched(path, fd)))
		return 0;
	bh_note(&subject, counter, &request);
	return -ENOSPC;
}

SEC("fexit/inotify_update_watch")
int BPF_PROG(bh_bc_watch_end)
{
	bh_uncharge_object(bh_request_key(BH_WATCH_UNDER_WAY));
	return 0;
}

/*
 * Real-time signals, each of which is queued. Of any other one at most waits for a task, and the
 * kernel queues it whatever its own limit is.
 */
SEC("lsm/task_kill")
int BPF_PROG(bh_bc_sig, struct task_struct *target, struct kernel_siginfo *info, int sig)
{
	struct bh_admission wanted = { .counter = BH_BEANCOUNTER_NUMSIGINFO };
	struct bh_request request = {
		.hook = BH_HOOK_task_kill,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.error = -EAGAIN,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { BH_BEANCOUNTER_NUMSIGINFO },
	};
	struct bh_beancounter *counter;
	struct bh_subject subject;

	if (sig < SIGRTMIN || !bh_subject_current(&subject))
		return 0;
	counter = bh_beancounter_of(&subject.label, wanted.counter);
	if (!counter)
		return 0;
	wanted.key = bh_request_key(BH_SIGNAL_UNDER_WAY);
	wanted.offset = bh_signals_offset();
	if (bh_admit(&subject, &wanted, counter, &request) == BH_TAKEN)
		return 0;
	bh_note(&subject, counter, &request);
	return -EAGAIN;
}

SEC("fexit/do_send_sig_info")
int BPF_PROG(bh_bc_sig_end)
{
	bh_uncharge_object(bh_request_key(BH_SIGNAL_UNDER_WAY));
	return 0;
}

/*
 * Nothing of a task that is gone is under way: recent kernels skip a program on a function on a CPU
 * on which another task was preempted within it, and a task's last request may be the one whose end
 * nobody saw. A program of this kind is never skipped.
 */
SEC("lsm/task_free")
int BPF_PROG(bh_bc_task_end, struct task_struct *task)
{
	bh_uncharge_object((__u64)task + BH_WATCH_UNDER_WAY);
	bh_uncharge_object((__u64)task + BH_SIGNAL_UNDER_WAY);
	bh_settle_locks((__u64)task);
	return 0;
}

/* One pass: the slots' numbers are those of the hash's buckets. */
SEC("iter/bpf_map_elem")
int bh_bc_ucounts(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u32 *bucket = ctx->key;
	struct bh_ucount row = {};
	bool is_torn = false;
	__u64 node;
	int i;

	if (!bucket || *bucket >= BH_UCOUNT_BUCKETS)
		return 0;
	node = bh_ucount_bucket(*bucket);
	for (i = 0; i < BH_MAX_UCOUNT_CHAIN && !bh_is_list_end(node); i++) {
		struct ucounts *ucounts = bh_ucounts_at(node);

		row.user_ns = BPF_CORE_READ(ucounts, ns, ns.inum);
		row.uid = BPF_CORE_READ(ucounts, uid.val);
		row.watches = bh_ucount_at(ucounts, bh_watches_offset());
		row.signals = bh_ucount_at(ucounts, bh_signals_offset());
		node = bh_next_ucount(node, &is_torn);
		if (is_torn)
			row.user_ns = 0;
		bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
		if (is_torn)
			return 0;
	}
	return 0;
}
