// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that becomes code: what a policy with WRITABLE_CODE refuses is code that the task itself
 * wrote, or could write while it runs.
 *
 * Judged is `prot`, not what was asked for: with the personality READ_IMPLIES_EXEC the kernel adds
 * PROT_EXEC by itself.
 */
#include "bpf/code.bpf.h"
#include "bpf/decide_memory.h"

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

	struct bh_request request = { .class_id = BH_CLASS_WRITABLE_CODE };

	return bh_refuse_code(&subject, file, BH_HOOK_mmap_file, &request, prot);
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

	struct bh_request request = { .class_id = BH_CLASS_WRITABLE_CODE };

	return bh_refuse_code(&subject, vma->vm_file, BH_HOOK_file_mprotect, &request, prot);
}
