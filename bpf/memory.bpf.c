// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that becomes code: what a policy with WRITABLE_CODE refuses is code that the task itself
 * wrote, or could write while it runs.
 *
 * Judged is `prot`, not what was asked for: with the personality READ_IMPLIES_EXEC the kernel adds
 * PROT_EXEC by itself.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide_memory.h"

/*
 * mmap_file has no file for anonymous memory, but verifiers that do not know it (before 6.12) drop
 * a test of the typed argument. Read as a number it is tested.
 */
static __always_inline bool bh_first_argument(void *context)
{
	__u64 argument = 0;

	bpf_probe_read_kernel(&argument, sizeof(argument), context);
	return argument;
}

static __always_inline int bh_refuse_code(struct bh_subject *subject, struct file *file, __u16 hook,
					  __u64 prot)
{
	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_WRITABLE_CODE,
		.object_kind = BH_OBJECT_NUMBER,
		.values = { prot },
	};
	struct inode *inode;

	if (file) {
		inode = BPF_CORE_READ(file, f_inode);
		request.object_kind = BH_OBJECT_FILE;
		request.path = BPF_CORE_READ(file, f_path.dentry);
		request.values[0] = BPF_CORE_READ(inode, i_sb, s_dev);
		request.values[1] = BPF_CORE_READ(inode, i_ino);
		request.values[2] = BPF_CORE_READ(inode, i_mode);
		request.values[3] = prot;
	}
	return bh_decide(subject, &request, -EPERM);
}

/* Also shmat(), and the segments of what is executed. */
SEC("lsm/mmap_file")
int BPF_PROG(bh_mmap, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags)
{
	struct bh_subject subject;
	bool writable_file = false;

	if (!(prot & BH_PROT_EXEC) || !bh_subject_current(&subject))
		return 0;
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_WRITABLE_CODE))
		return 0;
	if (!bh_first_argument(ctx))
		file = NULL;
	if (file)
		writable_file = BPF_CORE_READ(file, f_mode) & FMODE_WRITE;
	if (!bh_mapping_is_writable_code(prot, flags, writable_file))
		return 0;
	return bh_refuse_code(&subject, file, BH_HOOK_mmap_file, prot);
}

SEC("lsm/file_mprotect")
int BPF_PROG(bh_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	struct bh_subject subject;

	if (!(prot & BH_PROT_EXEC) || !bh_subject_current(&subject))
		return 0;
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_WRITABLE_CODE) ||
	    !bh_change_is_writable_code(prot, vma->vm_flags, vma->anon_vma != NULL))
		return 0;
	return bh_refuse_code(&subject, vma->vm_file, BH_HOOK_file_mprotect, prot);
}
