// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of [files] for what was opened before they held, where the policy asks for that: each
 * read, write and mapping of it, and handing it over. What is mapped stays mapped.
 *
 * Reading lists of a directory, splice(2), sendfile(2), copy_file_range(2), fallocate(2) and
 * io_uring come through file_permission like read(2) and write(2).
 */
#include "bpf/tree_file.bpf.h"
#include "bpf/decide_memory.h"
#include "bpf/code.bpf.h"

/* True where the environment's policy, or the one that comes next, asks for it. */
static __always_inline bool bh_revokes(struct bh_subject *subject)
{
	return bh_subject_has_tree(subject) &&
	       (!subject->env || subject->env->flags & BH_ENV_REVOKES);
}

static __always_inline int bh_check_use(struct bh_subject *subject, struct file *file, __u16 hook,
					__u32 rights)
{
	struct bh_ask ask = {
		.hook = hook,
		.error = EPERM,
		.rights = rights,
		.node_flags = BH_NODE_REVOKES,
	};

	if (!bh_has_rules(subject, file))
		return 0;
	return bh_check_file(subject, file, &ask) ? -EPERM : 0;
}

SEC("lsm/file_permission")
int BPF_PROG(bh_revoke_use, struct file *file, int mask)
{
	__u32 rights = bh_rights_to_use(file->f_flags, mask);
	struct bh_subject subject;

	if (!rights || !bh_revokes(&subject))
		return 0;
	return bh_check_use(&subject, file, BH_HOOK_file_permission, rights);
}

SEC("lsm/mmap_file")
int BPF_PROG(bh_revoke_map, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags)
{
	struct bh_subject subject;
	__u32 rights;

	if (!bh_revokes(&subject) || !file || !bh_first_argument(ctx))
		return 0;
	rights = bh_rights_to_map(file->f_mode, file->f_flags, prot & BH_PROT_EXEC,
				  flags & BH_MAP_SHARED);
	/* Code is asked about by bh_mmap_code. */
	if (rights & BH_RIGHT_EXECUTE && BH_CONTROL_REFUSES(subject.control, BH_CLASS_EXECUTION))
		return 0;
	return bh_check_use(&subject, file, BH_HOOK_mmap_file, rights);
}

SEC("lsm/file_receive")
int BPF_PROG(bh_revoke_recv, struct file *file)
{
	struct bh_subject subject;

	if (!bh_revokes(&subject))
		return 0;
	return bh_check_use(&subject, file, BH_HOOK_file_receive,
			    bh_rights_to_open((__u32)file->f_mode, file->f_flags));
}
