/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs share that judge a file which becomes code, or memory that does.
 */
#ifndef BULKHEAD_CODE_BPF_H
#define BULKHEAD_CODE_BPF_H

#include "bpf/refuse.bpf.h"

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

/* `file`: or NULL. `prot`: what is asked for; 0: to execute it. */
static __always_inline int bh_refuse_code(struct bh_subject *subject, struct file *file, __u16 hook,
					  struct bh_request *request, __u64 prot)
{
	struct inode *inode;

	request->hook = hook;
	request->object_kind = BH_OBJECT_NUMBER;
	request->values[0] = prot;
	if (file) {
		inode = BPF_CORE_READ(file, f_inode);
		request->object_kind = BH_OBJECT_FILE;
		request->path = BPF_CORE_READ(file, f_path.dentry);
		request->values[0] = BPF_CORE_READ(inode, i_sb, s_dev);
		request->values[1] = BPF_CORE_READ(inode, i_ino);
		request->values[2] = BPF_CORE_READ(inode, i_mode);
		request->values[3] = prot;
	}
	return bh_decide(subject, request, -EPERM);
}

#endif
