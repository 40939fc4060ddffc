// SPDX-License-Identifier: GPL-2.0-only
/*
 * Privilege from a file: a policy with SETUID refuses to execute a set-uid, set-gid or capable
 * file that would make the process more than it is. Where the kernel ignores such a file (nosuid,
 * no_new_privs, root already), there is nothing to refuse.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide_privilege.h"

static __always_inline void bh_read_ids(struct bh_ids *ids, const struct cred *cred)
{
	ids->euid = BPF_CORE_READ(cred, euid.val);
	ids->egid = BPF_CORE_READ(cred, egid.val);
	/* 64 bits, but to 6.2 as two halves. */
	bpf_core_read(&ids->permitted, sizeof(ids->permitted), &cred->cap_permitted);
}

/* Asked before the old program is gone, after the kernel computed what the new one would have. */
SEC("lsm/bprm_creds_from_file")
int BPF_PROG(bh_file_creds, struct linux_binprm *bprm, struct file *file)
{
	struct bh_subject subject;
	struct bh_ids before, after;

	if (!bh_subject_current(&subject) || !BH_CONTROL_REFUSES(subject.control, BH_CLASS_SETUID))
		return 0;
	bh_read_ids(&before, bpf_get_current_task_btf()->cred);
	bh_read_ids(&after, bprm->cred);
	if (!bh_file_gives_privilege(&before, &after,
				     BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec)))
		return 0;

	struct bh_request request = {
		.hook = BH_HOOK_bprm_creds_from_file,
		.class_id = BH_CLASS_SETUID,
		.object_kind = BH_OBJECT_FILE,
		.values = { BPF_CORE_READ(file, f_inode, i_sb, s_dev),
			    BPF_CORE_READ(file, f_inode, i_ino),
			    BPF_CORE_READ(file, f_inode, i_mode) },
		.path = BPF_CORE_READ(file, f_path.dentry),
	};
	return bh_decide(&subject, &request, -EPERM);
}
