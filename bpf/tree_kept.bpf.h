/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was found to hold for directories and files, kept on their inodes for the generation.
 *
 * What holds at a directory holds beneath it, as far as no rule names something there; it has one
 * name, and moves with all beneath it only to where the same rights hold, and not at all if it is a
 * node. So what is kept is looked for on the way up, and the first that is found decides.
 */
#ifndef BULKHEAD_TREE_KEPT_BPF_H
#define BULKHEAD_TREE_KEPT_BPF_H

#include "bpf/tree_name.bpf.h"

#define BH_ASKED_BITS 10
#define BH_ASKED_ROWS (1 << BH_ASKED_BITS)

/* A row is never changed, only replaced: whoever reads it sees it whole. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_place);
} bh_places SEC(".maps") __weak;

/* About which directory was asked, for each hash of its number. No decision rests on it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_ASKED_ROWS);
	__type(key, __u32);
	__type(value, __u64);
} bh_asked SEC(".maps") __weak;

/* False once something was let through that would have made untrue what is kept. */
static __always_inline bool bh_holds_still(struct bh_subject *subject)
{
	return subject->env && !(subject->env->flags & BH_ENV_UNJUDGED);
}

/* NULL: nothing is kept on it by this policy. */
static __always_inline struct bh_place *bh_kept_on(struct inode *inode,
						   const struct bh_policy_key *policy)
{
	struct bh_place *known;

	if (!inode)
		return NULL;
	known = bpf_inode_storage_get(&bh_places, inode, NULL, 0);
	if (known && bh_label_equal(known->policy.label, policy->label) &&
	    known->policy.generation == policy->generation)
		return known;
	return NULL;
}

/* Without room for it, it is found again each time. */
static __noinline int bh_keep(struct inode *inode, struct bh_place *place)
{
	if (!inode)
		return 0;
	if (bpf_inode_storage_get(&bh_places, inode, NULL, 0))
		bpf_inode_storage_delete(&bh_places, inode);
	bpf_inode_storage_get(&bh_places, inode, place, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* 0, or -1: cannot be told. Holds if the policy is still published afterwards. */
static __always_inline int bh_resolve_once(struct bh_subject *subject, struct dentry *dentry,
					   struct bh_found *found)
{
	struct bh_walk *walk = bh_begin_walk(subject);

	if (!walk)
		return -1;
	walk->dentry = (__u64)dentry;
	if (bh_find_name(walk) < 0)
		return -1;
	found->node = walk->node;
	return 0;
}

/* 0, or -1: the name is a long one, or it changes, or is not in `parent` any more. */
static __noinline int bh_step_short(struct bh_subject *subject, struct dentry *parent,
				    struct dentry *dentry, struct bh_found *found)
{
	struct bh_node_key key = {};

	bh_policy_key_of(subject, &key.policy);
	key.parent = found->node.node;
	if (bh_hash_short_name(parent, dentry, &key))
		return -1;
	bh_step_by(&key, &found->node);
	return 0;
}

static __noinline int bh_step_long(struct bh_subject *subject, struct dentry *parent,
				   struct dentry *dentry, struct bh_found *found)
{
	struct bh_walk *walk = bh_begin_walk(subject);

	if (!walk)
		return -1;
	walk->names[0].sequence = *(volatile __u32 *)&dentry->d_seq.seqcount.sequence;
	barrier();
	walk->names[0].dentry = (__u64)dentry;
	walk->names[0].text = (__u64)dentry->d_name.name;
	walk->names[0].bytes = dentry->d_name.len;
	if (dentry->d_parent != parent)
		return -1;
	walk->node = found->node;
	if (bh_step_down(walk, 0) < 0)
		return -1;
	found->node = walk->node;
	return 0;
}

/*
 * From what holds at `parent` to what holds at the dentry, which was found in it: 0; -1: cannot be
 * told, also when it is there no more.
 */
static __always_inline int bh_step_to(struct bh_subject *subject, struct dentry *parent,
				      struct dentry *dentry, struct bh_found *found)
{
	if (!bh_step_short(subject, parent, dentry, found))
		return 0;
	return bh_step_long(subject, parent, dentry, found);
}

#define BH_INLINE_LEVELS 8

/* The way up from a directory to the first on which something is kept. */
struct bh_ascent {
	struct dentry *at;
	struct dentry *below; /* the last one before */
	struct bh_place place; /* what is kept on `at` */
	__u32 levels;
	bool is_kept;
};

static long bh_ascend(__u32 index, struct bh_ascent *ascent)
{
	struct dentry *below = ascent->at;
	struct dentry *at = below->d_parent;
	struct bh_place *known;

	if (at == below)
		return 1;
	ascent->below = below;
	ascent->at = at;
	ascent->levels++;
	known = bh_kept_on(at->d_inode, &ascent->place.policy);
	if (!known)
		return 0;
	ascent->place.node = known->node;
	ascent->is_kept = true;
	return 1;
}

/* The first levels without the calls of bpf_loop(), which are as dear as what they do. */
static __always_inline void bh_ascend_all(struct bh_ascent *ascent)
{
	struct dentry *below = ascent->at, *at = below;
	struct bh_place *known = NULL;
	int level;

	for (level = 1; level <= BH_INLINE_LEVELS; level++) {
		below = at;
		at = below->d_parent;
		if (at == below)
			return;
		known = bh_kept_on(at->d_inode, &ascent->place.policy);
		if (known)
			break;
	}
	ascent->below = below;
	ascent->at = at;
	ascent->levels = level;
	if (!known) {
		bpf_loop(BH_MAX_WALK, bh_ascend, ascent, 0);
		return;
	}
	ascent->place.node = known->node;
	ascent->is_kept = true;
}

struct bh_way_up {
	struct dentry *at;
};

static long bh_go_up(__u32 index, struct bh_way_up *way)
{
	way->at = way->at->d_parent;
	return 0;
}

/*
 * What bh_find_name() found is kept on the last directory on the way down that is a node: there is
 * one for each name in a rule, and from there it is one step to what lies beneath.
 */
static __noinline int bh_keep_node(struct bh_subject *subject, struct dentry *dir)
{
	struct bh_walk *walk = bh_begin_walk(subject);
	struct bh_way_up way = { .at = dir };
	struct bh_place place = {};
	__u32 levels;

	if (!walk || walk->nodes > walk->count)
		return 0;
	levels = walk->count - walk->nodes;
	bpf_loop(levels, bh_go_up, &way, 0);
	/* Another one, if something moved meanwhile. */
	if (walk->nodes ? (__u64)way.at != walk->names[levels & (BH_MAX_NODE_DEPTH - 1)].dentry
			: way.at != way.at->d_parent)
		return 0;
	place.policy = walk->policy;
	place.node = walk->node;
	place.node.node = walk->last;
	return bh_keep(way.at->d_inode, &place);
}

static __noinline int bh_find_from_root(struct bh_subject *subject, struct dentry *dir,
					struct bh_found *found)
{
	if (bh_resolve_once(subject, dir, found))
		return -1;
	return bh_holds_still(subject) && bh_is_published(subject) ? bh_keep_node(subject, dir) : 0;
}

/* For directories about which was asked once: keeping costs as much as asking several times. */
static __noinline int bh_keep_asked(struct bh_subject *subject, struct dentry *dir,
				    struct bh_place *place)
{
	struct inode *inode = dir->d_inode;
	__u64 mark = (__u64)inode->i_ino << 32 | place->policy.generation;
	__u32 row = mark * 0x9e3779b97f4a7c15ULL >> (64 - BH_ASKED_BITS);
	__u64 *asked = bpf_map_lookup_elem(&bh_asked, &row);

	if (!asked || !bh_is_published(subject))
		return 0;
	if (*asked == mark)
		return bh_keep(inode, place);
	*asked = mark;
	return 0;
}

#define BH_NEAR 2 /* levels that are climbed each time */

/* 0, or 1: it cannot be told from what is kept above the directory. */
static __noinline int bh_find_from_above(struct bh_subject *subject, struct dentry *dir,
					 struct bh_found *found)
{
	struct bh_ascent ascent = { .at = dir, .below = dir };

	bh_policy_key_of(subject, &ascent.place.policy);
	bh_ascend_all(&ascent);
	if (!ascent.is_kept)
		return 1;
	found->node = ascent.place.node;
	if (!found->node.node)
		return ascent.levels > BH_NEAR ? bh_keep_asked(subject, dir, &ascent.place) : 0;
	if (bh_step_to(subject, ascent.at, ascent.below, found) || found->node.node)
		return 1;
	ascent.place.node = found->node;
	return bh_keep_asked(subject, ascent.below, &ascent.place);
}

#endif
