// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that become code, executed or mapped: a policy with ANONYMOUS_CODE refuses those that lie
 * in no directory, one with DRIFT those that changed after the environment's start.
 *
 * A file changed when its change time says so, when somebody can write to it through a shared
 * mapping now, or could since the start: a page of tmpfs that was read through such a mapping is
 * written without a fault, and the file's times stay.
 *
 * Executing is judged once writers are shut out (bprm_check_security), for scripts and for their
 * interpreters. Judged of a mapping is `prot`, not what was asked for: with the personality
 * READ_IMPLIES_EXEC the kernel adds PROT_EXEC by itself.
 */
#include "bpf/code.bpf.h"
#include "bpf/decide_code.h"
#include "bpf/decide_memory.h"
#include "bpf/tree_file.bpf.h"

#define BH_MAGIC_OVERLAY 0x794c7630
#define BH_MAGIC_TMPFS 0x01021994
/* Of i_ctime_nsec: somebody looked at this time since it was set (6.13). */
#define BH_CTIME_LOOKED_AT (1U << 31)

#define BH_CODE_CLASSES (1ULL << BH_CLASS_ANONYMOUS_CODE | 1ULL << BH_CLASS_DRIFT)
#define BH_MAPPED_CLASSES (BH_CODE_CLASSES | 1ULL << BH_CLASS_EXECUTION)

/* When an environment could write to a file through a shared mapping last: CLOCK_BOOTTIME. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} bh_mapped SEC(".maps");

/* i_ctime: to 6.6 so, to 6.10 with underscores, then as two fields. */
struct inode___plain {
	struct timespec64 i_ctime;
} __attribute__((preserve_access_index));
struct inode___underscores {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

/* What tells that a file was written. */
struct bh_traces {
	struct bh_change_time change;
	__s32 writable_mappings;
	bool hidden; /* it could be written without any */
};

static __always_inline void bh_read_traces(struct bh_traces *traces, struct inode *inode)
{
	struct inode___plain *plain = (void *)inode;
	struct inode___underscores *underscores = (void *)inode;
	struct bh_change_time *change = &traces->change;

	traces->writable_mappings = inode->i_mapping->i_mmap_writable.counter;
	change->granularity_ns = inode->i_sb->s_time_gran;
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		change->seconds = inode->i_ctime_sec;
		change->nanoseconds = inode->i_ctime_nsec & ~BH_CTIME_LOOKED_AT;
	} else if (bpf_core_field_exists(underscores->__i_ctime)) {
		change->seconds = underscores->__i_ctime.tv_sec;
		change->nanoseconds = underscores->__i_ctime.tv_nsec;
	} else {
		change->seconds = plain->i_ctime.tv_sec;
		change->nanoseconds = plain->i_ctime.tv_nsec;
	}
}

/* Of an inode that is known by its address, where a load is a call. */
static __always_inline void bh_read_traces_at(struct bh_traces *traces, struct inode *inode)
{
	struct inode___plain *plain = (void *)inode;
	struct inode___underscores *underscores = (void *)inode;
	struct bh_change_time *change = &traces->change;

	traces->writable_mappings = BPF_CORE_READ(inode, i_mapping, i_mmap_writable.counter);
	change->granularity_ns = BPF_CORE_READ(inode, i_sb, s_time_gran);
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		change->seconds = BPF_CORE_READ(inode, i_ctime_sec);
		change->nanoseconds = BPF_CORE_READ(inode, i_ctime_nsec) & ~BH_CTIME_LOOKED_AT;
	} else if (bpf_core_field_exists(underscores->__i_ctime)) {
		change->seconds = BPF_CORE_READ(underscores, __i_ctime.tv_sec);
		change->nanoseconds = BPF_CORE_READ(underscores, __i_ctime.tv_nsec);
	} else {
		change->seconds = BPF_CORE_READ(plain, i_ctime.tv_sec);
		change->nanoseconds = BPF_CORE_READ(plain, i_ctime.tv_nsec);
	}
}

/*
 * Those of the inode that holds the content. What is written through a mapping changes the time of
 * overlayfs's upper file only; its dentry is what follows the inode in struct ovl_inode, which is
 * in a module's BTF and so not in ours.
 */
static __always_inline void bh_read_traces_beneath(struct bh_traces *traces, struct inode *inode)
{
	struct dentry *upper = NULL;

	bpf_probe_read_kernel(&upper, sizeof(upper),
			      (void *)inode + bpf_core_type_size(struct inode));
	if (upper)
		bh_read_traces_at(traces, BPF_CORE_READ(upper, d_inode));
	else
		bh_read_traces(traces, inode);
}

/*
 * A mapping shows the file beneath overlayfs, and the mark is on overlayfs's own: with tmpfs
 * beneath nothing tells whether it was written.
 */
static __always_inline bool bh_hides_writes(struct file *file)
{
	return bh_mount_is_unnamed(file->f_path.mnt) ||
	       file->f_path.dentry->d_sb != file->f_inode->i_sb;
}

static __noinline int bh_find_traces(struct file *file, struct bh_traces *traces)
{
	struct inode *inode = file->f_inode;
	unsigned long magic = inode->i_sb->s_magic;

	if (magic == BH_MAGIC_OVERLAY)
		bh_read_traces_beneath(traces, inode);
	else
		bh_read_traces(traces, inode);
	traces->hidden = magic == BH_MAGIC_TMPFS && bh_hides_writes(file);
	return 0;
}

static __always_inline bool bh_was_mapped(struct bh_subject *subject, struct file *file)
{
	__u64 *mapped_ns = bpf_inode_storage_get(&bh_mapped, file->f_inode, NULL, 0);

	return mapped_ns && subject->env && *mapped_ns >= subject->env->started_ns;
}

/* 0: no row, which is no reason to run what may be new, or another policy again and again. */
__weak __noinline int bh_read_drift(struct bh_request *request)
{
	int i;

	if (!request)
		return 0;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_policy *policy = bh_policy_by(request->label, request->control);

		if (policy)
			request->values[0] = policy->drift_ns;
		if (bh_request_is_current(request))
			return policy != NULL;
	}
	return 0;
}

static __always_inline bool bh_has_drifted(struct bh_subject *subject, struct file *file,
					   struct bh_request *request)
{
	struct bh_traces traces = {};

	bh_sign(subject, request);
	if (!bh_read_drift(request)) {
		request->flags |= BH_REFUSAL_INTERNAL;
		return true;
	}
	bh_find_traces(file, &traces);
	return bh_changed_since(&traces.change, request->values[0]) ||
	       traces.writable_mappings > 0 || traces.hidden || bh_was_mapped(subject, file);
}

static __noinline int bh_check_code(struct bh_subject *subject, struct file *file, __u16 hook,
				    __u64 prot)
{
	struct inode *inode = file->f_inode;
	struct bh_request anonymous = { .class_id = BH_CLASS_ANONYMOUS_CODE };
	struct bh_request drift = { .class_id = BH_CLASS_DRIFT };

	if (BH_CONTROL_REFUSES(subject->control, BH_CLASS_ANONYMOUS_CODE) &&
	    bh_lies_in_no_directory(inode->i_nlink, inode->i_sb->s_flags) &&
	    bh_refuse_code(subject, file, hook, &anonymous, prot))
		return -EPERM;
	if (BH_CONTROL_REFUSES(subject->control, BH_CLASS_DRIFT) &&
	    bh_has_drifted(subject, file, &drift) &&
	    bh_refuse_code(subject, file, hook, &drift, prot))
		return -EPERM;
	return 0;
}

/* What can be written without a trace from now on. */
static __noinline int bh_note_mapping(struct bh_subject *subject, struct file *file)
{
	struct bh_request request = {
		.class_id = BH_CLASS_DRIFT,
		.flags = BH_REFUSAL_INTERNAL,
	};
	__u64 *mapped_ns;

	mapped_ns = bpf_inode_storage_get(&bh_mapped, file->f_inode, NULL,
					  BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mapped_ns)
		return bh_refuse_code(subject, file, BH_HOOK_mmap_file, &request, 0);
	*mapped_ns = bpf_ktime_get_boot_ns();
	return 0;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(bh_exec_code, struct linux_binprm *bprm)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject) || !(subject.control & BH_CODE_CLASSES))
		return 0;
	return bh_check_code(&subject, bprm->file, BH_HOOK_bprm_check_security, 0) ? -EPERM : 0;
}

/*
 * What no process mounts is in no tree. Likewise the file beneath overlayfs, which is what a
 * mapping of overlayfs shows (from 6.8 with its own path): programs are mapped as code at once.
 */
static __noinline int bh_check_tree(struct bh_subject *subject, struct file *file, __u16 hook)
{
	struct bh_ask ask = { .hook = hook, .error = EPERM, .rights = BH_RIGHT_EXECUTE };
	struct dentry *dentry = file->f_path.dentry;
	struct bh_found nothing = {};

	if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_EXECUTION))
		return 0;
	if (dentry->d_sb->s_flags & SB_NOUSER || bh_mount_is_unnamed(file->f_path.mnt))
		return bh_refuse_path(subject, dentry, &ask, &nothing);
	return bh_check_file(subject, file, &ask);
}

SEC("lsm/mmap_file")
int BPF_PROG(bh_mmap_code, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject) || !(subject.control & BH_MAPPED_CLASSES) || !file ||
	    !bh_first_argument(ctx))
		return 0;
	if (BH_CONTROL_REFUSES(subject.control, BH_CLASS_DRIFT) && flags & BH_MAP_SHARED &&
	    file->f_mode & FMODE_WRITE && bh_note_mapping(&subject, file))
		return -EPERM;
	if (!(prot & BH_PROT_EXEC))
		return 0;
	if (bh_check_code(&subject, file, BH_HOOK_mmap_file, prot))
		return -EPERM;
	return bh_check_tree(&subject, file, BH_HOOK_mmap_file) ? -EPERM : 0;
}

SEC("lsm/file_mprotect")
int BPF_PROG(bh_mprot_code, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	struct file *file = vma->vm_file;
	struct bh_subject subject;

	if (!(prot & BH_PROT_EXEC) || !file || !bh_subject_current(&subject) ||
	    !(subject.control & BH_MAPPED_CLASSES))
		return 0;
	if (bh_check_code(&subject, file, BH_HOOK_file_mprotect, prot))
		return -EPERM;
	return bh_check_tree(&subject, file, BH_HOOK_file_mprotect) ? -EPERM : 0;
}
