/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules of [files] give at a dentry. Names within a super block decide, because what rules
 * name cannot move: bpf/tree_change.bpf.c refuses to rename or link across different rights, and to
 * rename a directory that is a node. Mounts, links and other roots lead to the same dentry.
 *
 * From the dentry up to the root, keeping the topmost names, then down as long as a node has nodes
 * beneath.
 */
#ifndef BULKHEAD_TREE_BPF_H
#define BULKHEAD_TREE_BPF_H

#include "bpf/refuse.bpf.h"
#include "bpf/decide_tree.h"
#include "bpf/mount.bpf.h"

#define BH_MAX_WALK 256 /* directories above a file; deeper is refused */
#define BH_MAX_ATTEMPTS 2 /* while policies are published */

struct bh_name {
	__u64 dentry;
	__u64 text;
	__u32 bytes;
	__u32 sequence; /* d_seq: odd or another: the name changes meanwhile */
};

/*
 * Value of bh_walks. Of the task: programs run preemptible, and another task's on the same CPU
 * would overwrite a row of the CPU half-way.
 */
struct bh_walk {
	struct bh_name names[BH_MAX_NODE_DEPTH]; /* a ring: the last ones are the topmost */
	__u32 words[BH_NAME_WORDS];
	struct bh_policy_key policy;
	struct bh_node node; /* that the walk is at */
	__u8 head[BH_DENTRY_BYTES]; /* of the dentry that the walk is at */
	__u64 dentry; /* whose path is walked */
	__u32 count; /* of names ever put into the ring */
	__u32 nodes; /* that the way down has passed, the root not among them */
	__u32 last; /* bh_node.node of the last of them, or of the root */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_walk);
} bh_walks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_name_key);
} bh_name_key SEC(".maps") __weak;

/* 0 or -1: the name is none or changes. */
static __always_inline int bh_read_name(struct bh_walk *walk, const struct bh_name *name)
{
	__u32 bytes = name->bytes, sequence = 0;

	if (!bytes || bytes >= BH_COMPONENT_BYTES)
		return -1;
	walk->words[bytes / 8 * 2] = 0;
	walk->words[bytes / 8 * 2 + 1] = 0;
	if (bpf_probe_read_kernel(walk->words, bytes, (void *)name->text))
		return -1;
	bpf_probe_read_kernel(
		&sequence, sizeof(sequence),
		(void *)name->dentry +
			bpf_core_field_offset(struct dentry, d_seq.seqcount.sequence));
	return sequence & 1 || sequence != name->sequence ? -1 : 0;
}

/* From a node down by a name. 1: there is one too, which is now in `node`; 0: there is none. */
static __always_inline int bh_step_by(const struct bh_node_key *key, struct bh_node *node)
{
	struct bh_node *found = bpf_map_lookup_elem(&bh_nodes, key);

	if (!found) {
		node->node = 0;
		return 0;
	}
	*node = *found;
	return 1;
}

/*
 * From walk->node down to what has the name at `index` of the ring. 1: that is a node too; 0: it is
 * not; -1: cannot be told. Global, so that the verifier looks at it once.
 */
__weak __noinline int bh_step_down(struct bh_walk *walk, __u32 index)
{
	struct bh_name_key *hash_key;
	struct bh_node_key key = {};
	struct bh_name *name;
	__u32 zero = 0;

	if (!walk)
		return -1;
	hash_key = bpf_map_lookup_elem(&bh_name_key, &zero);
	name = &walk->names[index & (BH_MAX_NODE_DEPTH - 1)];
	if (!hash_key || bh_read_name(walk, name))
		return -1;
	key.policy = walk->policy;
	key.parent = walk->node.node;
	key.bytes = name->bytes;
	bh_hash_name(walk->words, name->bytes, hash_key->words, key.hash);
	if (!bh_step_by(&key, &walk->node))
		return 0;
	walk->last = walk->node.node;
	walk->nodes++;
	return 1;
}

struct bh_descent {
	struct bh_walk *walk;
	int step; /* of bh_step_down() */
};

static long bh_descend(__u32 index, struct bh_descent *descent)
{
	struct bh_walk *walk = descent->walk;

	if (!walk->node.node)
		descent->step = 0;
	else
		descent->step = bh_step_down(walk, walk->count - 1 - index);
	return descent->step <= 0;
}

/*
 * From the root of the super block down the names that were kept. 1: the last of them is that of a
 * node; 0: it is not; -1: cannot be told.
 */
static __always_inline int bh_walk_down(struct bh_walk *walk)
{
	struct bh_descent descent = { .walk = walk, .step = 1 };
	__u32 count = walk->count;

	bpf_loop(count < BH_MAX_NODE_DEPTH ? count : BH_MAX_NODE_DEPTH, bh_descend, &descent, 0);
	return descent.step > 0 ? count <= BH_MAX_NODE_DEPTH : descent.step;
}

/* Of the super block, or of all that have no row. */
static __noinline int bh_find_root(struct bh_walk *walk, __u32 dev)
{
	struct bh_root_key key = { .policy = walk->policy, .dev = dev };
	struct bh_node *found = bpf_map_lookup_elem(&bh_roots, &key);

	if (!found) {
		key.dev = 0;
		found = bpf_map_lookup_elem(&bh_roots, &key);
	}
	if (!found)
		return -1;
	walk->node = *found;
	walk->last = found->node;
	walk->nodes = 0;
	return 0;
}

struct bh_climb {
	struct bh_walk *walk;
	__u64 dentry;
	int error;
};

static long bh_step_up(__u32 depth, struct bh_climb *climb)
{
	struct bh_walk *walk = climb->walk;
	struct bh_name *name;
	__u64 parent = 0;
	int step;

	step = bh_climb_step(climb->dentry, walk->head, &parent);
	if (step != BH_CLIMB_NAME) {
		climb->error = step == BH_CLIMB_ROOT ? 0 : -1;
		return 1;
	}
	name = &walk->names[depth & (BH_MAX_NODE_DEPTH - 1)];
	name->sequence = bh_head_field(walk->head, __u32, d_seq.seqcount.sequence);
	name->dentry = climb->dentry;
	name->text = bh_head_field(walk->head, __u64, d_name.name);
	name->bytes = bh_head_field(walk->head, __u32, d_name.len);
	walk->count = depth + 1;
	climb->dentry = parent;
	return 0;
}

/* From walk->dentry up to the root: 0; -1: too deep, or not connected to it. */
static __always_inline int bh_walk_up(struct bh_walk *walk)
{
	struct bh_climb climb = { .walk = walk, .dentry = walk->dentry, .error = -1 };

	walk->count = 0;
	bpf_loop(BH_MAX_WALK, bh_step_up, &climb, 0);
	return climb.error;
}

/*
 * 1: a node is of the name of walk->dentry; 0: none is; -1: cannot be told. What holds there is in
 * walk->node. Global, so that the verifier looks at it once.
 */
__weak __noinline int bh_find_name(struct bh_walk *walk)
{
	struct dentry *dentry;

	if (!walk || bh_walk_up(walk))
		return -1;
	dentry = (struct dentry *)walk->dentry;
	if (bh_find_root(walk, BPF_CORE_READ(dentry, d_sb, s_dev)))
		return -1;
	return bh_walk_down(walk);
}

static __always_inline void bh_policy_key_of(struct bh_subject *subject,
					     struct bh_policy_key *policy)
{
	policy->label = subject->label;
	policy->generation = BH_CONTROL_GENERATION(subject->control);
	policy->pad = 0;
}

/* The task's, for the rules that the subject has; NULL: no memory. */
static __always_inline struct bh_walk *bh_begin_walk(struct bh_subject *subject)
{
	struct bh_walk *walk = bpf_task_storage_get(&bh_walks, bpf_get_current_task_btf(), NULL,
						    BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (walk)
		bh_policy_key_of(subject, &walk->policy);
	return walk;
}

/* A policy's rows go after its control word did: what was found holds while that is the same. */
static __always_inline bool bh_is_published(struct bh_subject *subject)
{
	return *(volatile __u64 *)&subject->env->control == subject->control;
}

#endif
