/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on memory: which mapping would be code that the task can write, now or before.
 * Compiles as C for the programs and as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_MEMORY_H
#define BULKHEAD_DECIDE_MEMORY_H

#include "bpf/decide.h"

/* PROT_…, the type in MAP_… and VM_… as the kernel has them. */
enum bh_memory_numbers {
	BH_PROT_WRITE = 0x2,
	BH_PROT_EXEC = 0x4,
	BH_MAP_SHARED = 0x1, /* also in MAP_SHARED_VALIDATE */
	BH_VM_WRITE = 0x2,
	BH_VM_SHARED = 0x8,
	BH_VM_MAYWRITE = 0x20,
};

/*
 * A new mapping. `writable_file`: the file is open for writing, so that a shared mapping of it can
 * be made writable at any time.
 */
BH_PURE int bh_mapping_is_writable_code(__u64 prot, __u64 flags, int writable_file)
{
	if (!(prot & BH_PROT_EXEC))
		return 0;
	return (prot & BH_PROT_WRITE) || (flags & BH_MAP_SHARED && writable_file);
}

/*
 * A mapping that changes. `written`: it has private pages (an anon_vma), which the task wrote or
 * could write; of a file's mapping too.
 */
BH_PURE int bh_change_is_writable_code(__u64 prot, __u64 vm_flags, int written)
{
	if (!(prot & BH_PROT_EXEC))
		return 0;
	if (prot & BH_PROT_WRITE || vm_flags & BH_VM_WRITE || written)
		return 1;
	return vm_flags & BH_VM_SHARED && vm_flags & BH_VM_MAYWRITE;
}

#endif
