// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beancounter of file locks: those of flock(2), and record locks (POSIX and of open files), each as
 * the kernel has it in a file's list. Attached while an environment has a bound on it.
 *
 * The kernel asks before it knows how many a request makes: a record lock may cut another in two
 * and be a third, and taking one off may leave two. So as many as it may make are charged to the
 * task before, those that come to be take a charge over, and the rest is given back when the
 * request is done. Locks come and go under the list's spinlock, where no program is skipped.
 */
#include "bpf/beancounters.bpf.h"
#include "bpf/syscall.bpf.h"
#include "bpf/under_way.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define ENOLCK 37
#define F_UNLCK 2
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#define SEEK_CUR 1
#define SEEK_END 2
#define BH_OFFSET_MAX (~0ULL >> 1)
#define BH_MAX_LOCKS_SEEN 4096 /* of one file */

/* How the kernel had it before 6.9. */
struct file_lock___whole {
	struct list_head fl_list;
	void *fl_owner;
	long long fl_start;
	long long fl_end;
} __attribute__((preserve_access_index));

struct file_lock_core___part {
	struct list_head flc_list;
	void *flc_owner;
} __attribute__((preserve_access_index));
struct file_lock___parted {
	struct file_lock_core___part c;
	long long fl_start;
	long long fl_end;
} __attribute__((preserve_access_index));

/* A range of a file, both ends inclusive, and whose locks are meant. */
struct bh_range {
	void *owner;
	__u64 start;
	__u64 end;
	struct list_head *node;
	struct list_head *head;
	__u64 is_inside; /* of one lock, with something left on both sides */
};

static __always_inline void bh_look_at_lock(struct bh_range *range, struct list_head *node)
{
	struct file_lock___parted *parted;
	struct file_lock___whole *whole;
	__u64 start, end;
	void *owner;

	if (bpf_core_type_exists(struct file_lock_core___part)) {
		parted = (void *)node - bpf_core_field_offset(struct file_lock___parted, c) -
			 bpf_core_field_offset(struct file_lock_core___part, flc_list);
		owner = BPF_CORE_READ(parted, c.flc_owner);
		start = BPF_CORE_READ(parted, fl_start);
		end = BPF_CORE_READ(parted, fl_end);
	} else {
		whole = (void *)node - bpf_core_field_offset(struct file_lock___whole, fl_list);
		owner = BPF_CORE_READ(whole, fl_owner);
		start = BPF_CORE_READ(whole, fl_start);
		end = BPF_CORE_READ(whole, fl_end);
	}
	if (owner == range->owner && start < range->start && end > range->end)
		range->is_inside = 1;
}

static long bh_next_lock(__u32 index, struct bh_range *range)
{
	struct list_head *node = range->node;

	if (!node || node == range->head)
		return 1;
	bh_look_at_lock(range, node);
	range->node = BPF_CORE_READ(node, next);
	return range->is_inside;
}

/* As the kernel makes a range of it. */
static __always_inline void bh_range_of(struct bh_range *range, struct file *file,
					struct flock *flock)
{
	__u64 start = BPF_CORE_READ(flock, l_start);
	__s64 length = BPF_CORE_READ(flock, l_len);
	short from = BPF_CORE_READ(flock, l_whence);

	if (from == SEEK_CUR)
		start += BPF_CORE_READ(file, f_pos);
	else if (from == SEEK_END)
		start += BPF_CORE_READ(file, f_inode, i_size);
	range->start = length < 0 ? start + length : start;
	range->end = length > 0 ? start + length - 1 : length ? start - 1 : BH_OFFSET_MAX;
}

/* Before the kernel asks: whether what is taken off is cut out of a lock, which then is two. */
SEC("fentry/fcntl_setlk")
int BPF_PROG(bh_bc_unlock, unsigned int fd, struct file *file, unsigned int cmd,
	     struct flock *flock)
{
	bool is_of_file = cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	__u64 key = bh_request_key(BH_LOCK_IS_CUT);
	struct bh_charge mark = { .counter = BH_MAX_BEANCOUNTERS };
	struct bh_range range = {};
	struct bh_subject subject;
	struct list_head *head;

	if (BPF_CORE_READ(flock, l_type) != F_UNLCK || !bh_subject_current(&subject) ||
	    !bh_beancounter_of(&subject.label, BH_BEANCOUNTER_NUMFLOCK))
		return 0;
	range.owner = is_of_file ? (void *)file
				 : (void *)BPF_CORE_READ(bpf_get_current_task_btf(), files);
	bh_range_of(&range, file, flock);
	head = (void *)BPF_CORE_READ(file, f_inode, i_flctx) +
	       bpf_core_field_offset(struct file_lock_context, flc_posix);
	range.head = head;
	range.node = BPF_CORE_READ(head, next);
	bpf_loop(BH_MAX_LOCKS_SEEN, bh_next_lock, &range, 0);
	if (range.is_inside || (range.node && range.node != range.head))
		bpf_map_update_elem(&bh_charges, &key, &mark, BPF_ANY);
	return 0;
}

/* One more, of those that a request may make. */
static __always_inline int bh_charge_lock(struct bh_subject *subject, enum bh_under_way kind)
{
	struct bh_object object = {
		.address = bh_request_key(kind),
		.counter = BH_BEANCOUNTER_NUMFLOCK,
		.hook = BH_HOOK_file_lock,
	};

	/* Its last one, where the program on its end was not run. */
	bh_uncharge_object(object.address);
	return bh_charge_object(subject, object, -ENOLCK);
}

SEC("lsm/file_lock")
int BPF_PROG(bh_bc_lock, struct file *file, unsigned int type)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 cut = bh_request_key(BH_LOCK_IS_CUT);
	enum bh_lock_call call;
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	call = bh_lock_call(task, regs);
	if (call == BH_CALL_LEASE || (type == F_UNLCK && call == BH_CALL_FLOCK))
		return 0;
	if (type == F_UNLCK && !bpf_map_lookup_elem(&bh_charges, &cut))
		return 0;
	if (bh_charge_lock(&subject, BH_FIRST_LOCK))
		return -ENOLCK;
	if (type == F_UNLCK || call == BH_CALL_FLOCK)
		return 0;
	if (!bh_charge_lock(&subject, BH_SECOND_LOCK))
		return 0;
	bh_uncharge_object(bh_request_key(BH_FIRST_LOCK));
	return -ENOLCK;
}

/* A lock that is about to be in the list takes over a charge of the task that asked for it. */
static __always_inline bool bh_take_over(enum bh_under_way kind, __u64 lock)
{
	__u64 key = bh_request_key(kind);
	struct bh_charge *found = bpf_map_lookup_elem(&bh_charges, &key);
	struct bh_charge charge;

	if (!found || found->counter != BH_BEANCOUNTER_NUMFLOCK)
		return false;
	charge = *found;
	if (bpf_map_update_elem(&bh_charges, &lock, &charge, BPF_ANY))
		return false;
	found->counter = BH_MAX_BEANCOUNTERS;
	bpf_map_delete_elem(&bh_charges, &key);
	return true;
}

SEC("fentry/locks_copy_lock")
int BPF_PROG(bh_bc_lock_new, void *lock)
{
	bh_uncharge_object((__u64)lock);
	if (!bh_take_over(BH_FIRST_LOCK, (__u64)lock))
		bh_take_over(BH_SECOND_LOCK, (__u64)lock);
	return 0;
}

SEC("fentry/locks_unlink_lock_ctx")
int BPF_PROG(bh_bc_lock_end, void *lock)
{
	bh_uncharge_object((__u64)lock);
	return 0;
}

SEC("fexit/fcntl_setlk")
int BPF_PROG(bh_bc_setlk_end)
{
	bh_settle_locks((__u64)bpf_get_current_task());
	return 0;
}

#if defined(__TARGET_ARCH_arm64)
SEC("fexit/__arm64_sys_flock")
#else
SEC("fexit/__x64_sys_flock")
#endif
int BPF_PROG(bh_bc_flock_end)
{
	bh_settle_locks((__u64)bpf_get_current_task());
	return 0;
}

/* The same of 32-bit callers, where the kernel has an entry of their own. */
SEC("fexit/__ia32_sys_flock")
int BPF_PROG(bh_bc_flock_32)
{
	bh_settle_locks((__u64)bpf_get_current_task());
	return 0;
}
