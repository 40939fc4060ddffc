// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys and keyrings: a key belongs to the environment whose task made it. Possession through an
 * inherited keyring gives nothing.
 */
#include "bpf/refuse.bpf.h"

SEC("lsm/key_alloc")
int BPF_PROG(bh_key_alloc, struct key *key)
{
	__u64 address = (__u64)key;
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
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
