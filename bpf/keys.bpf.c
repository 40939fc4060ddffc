// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys and keyrings: a key belongs to the environment whose task made it. Possession through an
 * inherited keyring gives nothing, no parent is given a keyring, and the host is not asked for
 * keys.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide.h"

/*
 * request_key(2) has the kernel start /sbin/request-key in the host's namespaces, with words of the
 * caller's. What asks for a file system (DNS, id mapping) does so with credentials of its own.
 */
static __always_inline bool bh_is_upcall(struct key *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	char type[4] = {};

	bpf_probe_read_kernel(type, sizeof(type), BPF_CORE_READ(key, type, name));
	return bh_key_type_is_upcall(type) && task->cred == task->real_cred;
}

SEC("lsm/key_alloc")
int BPF_PROG(bh_key_alloc, struct key *key)
{
	__u64 address = (__u64)key;
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	if (bh_is_upcall(key)) {
		struct bh_request upcall = {
			.hook = BH_HOOK_key_alloc,
			.class_id = BH_CLASS_KEYS,
			.object_kind = BH_OBJECT_KEY,
			.name = BPF_CORE_READ(key, type, name),
		};

		if (bh_decide(&subject, &upcall, -EPERM))
			return -EPERM;
	}
	if (subject.env && !bpf_map_update_elem(&bh_objects, &address, &subject.label, BPF_ANY))
		return 0;

	struct bh_request request = {
		.hook = BH_HOOK_key_alloc,
		.class_id = BH_CLASS_KEYS,
		.flags = BH_REFUSAL_INTERNAL,
		.object_kind = BH_OBJECT_KEY,
	};
	return bh_decide(&subject, &request, -ENOSPC);
}

/* The hook key_free is gone by 6.12; the function that called it is on all kernels. */
SEC("fentry/security_key_free")
int BPF_PROG(bh_key_free, struct key *key)
{
	__u64 address = (__u64)key;

	bpf_map_delete_elem(&bh_objects, &address);
	return 0;
}

/*
 * The lowest bit of the reference says that the task possesses the key. The reference points to
 * an incomplete type, so the verifier hands it out as a number only.
 */
SEC("lsm/key_permission")
int bh_key_perm(unsigned long long *ctx)
{
	__u64 address = 0, permission = 0;
	struct bh_subject subject;
	struct bh_label *owner;
	struct key *key;

	if (!bh_subject_current(&subject))
		return 0;
	bpf_get_func_arg(ctx, 0, &address);
	bpf_get_func_arg(ctx, 2, &permission);
	address &= ~1ULL;
	key = (struct key *)address;
	owner = bpf_map_lookup_elem(&bh_objects, &address);
	if (subject.env && owner && bh_label_equal(*owner, subject.label))
		return 0;

	struct bh_request request = {
		.hook = BH_HOOK_key_permission,
		.class_id = BH_CLASS_KEYS,
		.object_kind = BH_OBJECT_KEY,
		.values = { (__u32)BPF_CORE_READ(key, serial), permission },
		.name = BPF_CORE_READ(key, type, name),
	};
	if (owner) {
		request.values[2] = owner->slot;
		request.values[3] = owner->serial;
	}
	return bh_decide(&subject, &request, -EPERM);
}

/* KEYCTL_SESSION_TO_PARENT, and nothing else, makes blank credentials: those of its parent. */
SEC("lsm/cred_alloc_blank")
int BPF_PROG(bh_cred_blank)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	return bh_refuse_number(&subject, BH_HOOK_cred_alloc_blank, BH_CLASS_KEYS,
				BH_KEYCTL_SESSION_TO_PARENT);
}
