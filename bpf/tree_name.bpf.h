/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step down by a name that lies in its dentry: from typed loads, without the walk's memory and
 * without copying, as most names are short.
 */
#ifndef BULKHEAD_TREE_NAME_BPF_H
#define BULKHEAD_TREE_NAME_BPF_H

#include "bpf/tree_ask.bpf.h"

#define BH_SHORT_WORDS 4 /* of 64 bits; every kernel has room for them in a dentry */
#define BH_SHORT_BYTES (BH_SHORT_WORDS * 8)

union bh_short {
	__u64 loaded[BH_SHORT_WORDS];
	__u32 words[BH_SHORT_WORDS * 2];
};

struct dentry___array {
	unsigned char d_iname[BH_SHORT_BYTES];
} __attribute__((preserve_access_index));
union bh_shortname {
	unsigned long words[BH_SHORT_WORDS];
};
struct dentry___union { /* from 6.14 */
	union bh_shortname d_shortname;
} __attribute__((preserve_access_index));

static __always_inline __u64 *bh_short_text(struct dentry *dentry)
{
	if (bpf_core_field_exists(struct dentry___array, d_iname))
		return (void *)dentry + bpf_core_field_offset(struct dentry___array, d_iname);
	return (void *)dentry + bpf_core_field_offset(struct dentry___union, d_shortname);
}

/* Zero-padded, for bh_hash_name(). Past its end a dentry has what other names left. */
static __always_inline void bh_copy_short(const __u64 *text, __u32 bytes, union bh_short *name)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < BH_SHORT_WORDS; i++) {
		if (i * 8 >= bytes)
			break;
		name->loaded[i] = text[i];
		if (bytes - i * 8 < 8)
			name->loaded[i] &= (1ULL << (bytes - i * 8) * 8) - 1;
	}
}

/* bh_hash_name() by constants, as verifiers before 6.3 do not know how far it goes otherwise. */
static __always_inline void bh_hash_short(const union bh_short *name, __u32 bytes, const __u32 *key,
					  __u64 *hash)
{
	if (bytes <= 8)
		bh_hash_name(name->words, 8, key, hash);
	else if (bytes <= 16)
		bh_hash_name(name->words, 16, key, hash);
	else if (bytes <= 24)
		bh_hash_name(name->words, 24, key, hash);
	else
		bh_hash_name(name->words, 32, key, hash);
}

/* 0, or -1: the name is a long one, or it changes, or is not in `parent` any more. */
static __always_inline int bh_hash_short_name(struct dentry *parent, struct dentry *dentry,
					      struct bh_node_key *key)
{
	__u32 sequence = *(volatile __u32 *)&dentry->d_seq.seqcount.sequence;
	__u64 *text = bh_short_text(dentry);
	union bh_short name = {};
	struct bh_name_key *hash_key;
	__u32 bytes, zero = 0;

	barrier();
	bytes = dentry->d_name.len;
	if (!bytes || bytes >= BH_SHORT_BYTES || (void *)dentry->d_name.name != text ||
	    dentry->d_parent != parent)
		return -1;
	bh_copy_short(text, bytes, &name);
	barrier();
	if (sequence & 1 || *(volatile __u32 *)&dentry->d_seq.seqcount.sequence != sequence)
		return -1;
	hash_key = bpf_map_lookup_elem(&bh_name_key, &zero);
	if (!hash_key)
		return -1;
	key->bytes = bytes;
	bh_hash_short(&name, bytes, hash_key->words, key->hash);
	return 0;
}

#endif
