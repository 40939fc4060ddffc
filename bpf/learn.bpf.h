/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Learn mode: each act that a policy would have to allow is kept once, with its whole path. A
 * learning policy refuses all that its sections know of and gives nothing, so that every act comes
 * to be refused, and is let through and learned instead. What no row could be had for is counted:
 * who writes a policy of the rows says that it is not all.
 */
#ifndef BULKHEAD_LEARN_BPF_H
#define BULKHEAD_LEARN_BPF_H

#include "bpf/climb.bpf.h"
#include "bpf/request.bpf.h"

/*
 * Value of bh_lessons: a row in the making. Of the task, as another task's program on the same CPU
 * would overwrite a row of the CPU half-way.
 */
struct bh_lesson {
	struct bh_learned_key key;
	struct bh_learned row;
	__u64 dentry;
	__u8 head[BH_DENTRY_BYTES]; /* of the dentry that the walk up from it is at */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_lesson);
} bh_lessons SEC(".maps") __weak;

#define BH_LEARNED_WORDS (BH_LEARNED_BYTES / 8)

struct bh_path_hash {
	struct bh_lesson *lesson;
	__u64 first;
	__u64 second;
};

static long bh_hash_word(__u32 i, struct bh_path_hash *hash)
{
	__u64 word;

	if (i >= BH_LEARNED_WORDS)
		return 1;
	word = ((__u64 *)hash->lesson->row.text)[i];
	hash->first = (hash->first ^ word) * 0x9e3779b97f4a7c15ULL;
	hash->first ^= hash->first >> 29;
	hash->second = (hash->second ^ word) * 0xbf58476d1ce4e5b9ULL;
	hash->second ^= hash->second >> 32;
	return 0;
}

/* Two paths of one hash would be learned as one: the second would be refused, and seen then. */
static __always_inline void bh_hash_path(struct bh_lesson *lesson)
{
	struct bh_path_hash hash = {
		.lesson = lesson,
		.first = lesson->row.object[0],
		.second = lesson->row.text_bytes,
	};

	bpf_loop((lesson->row.text_bytes + 7) / 8, bh_hash_word, &hash, 0);
	lesson->key.object[0] = hash.first;
	lesson->key.object[1] = hash.second;
}

struct bh_spelling {
	struct bh_lesson *lesson;
	__u64 dentry;
	__u32 used; /* of row.text */
	int error;
};

/* What leaves room for another name. */
#define BH_MAX_SPELLED (BH_LEARNED_BYTES - BH_COMPONENT_BYTES)

static long bh_spell_name(__u32 depth, struct bh_spelling *spelling)
{
	struct bh_lesson *lesson = spelling->lesson;
	__u32 used = spelling->used;
	__u64 parent = 0;
	long bytes;
	int step;

	if (used > BH_MAX_SPELLED)
		return 1;
	step = bh_climb_step(spelling->dentry, lesson->head, &parent);
	if (step != BH_CLIMB_NAME) {
		spelling->error = step == BH_CLIMB_ROOT ? 0 : -1;
		return 1;
	}
	bytes = bpf_probe_read_kernel_str(lesson->row.text + used, BH_COMPONENT_BYTES,
					  (void *)bh_head_field(lesson->head, __u64, d_name.name));
	if (bytes <= 1)
		return 1;
	spelling->used = used + (bytes & (2 * BH_COMPONENT_BYTES - 1));
	spelling->dentry = parent;
	return 0;
}

/*
 * 0; -1: it has no path from the root on, or one too long. Global, so that the verifier looks at it
 * once.
 */
__weak __noinline int bh_learn_path(struct bh_lesson *lesson)
{
	struct bh_spelling spelling = { .lesson = lesson, .error = -1 };
	struct dentry *dentry;
	__u32 used;

	if (!lesson)
		return -1;
	spelling.dentry = lesson->dentry;
	dentry = (struct dentry *)lesson->dentry;
	if (BPF_CORE_READ(dentry, d_inode) && BPF_CORE_READ(dentry, d_inode, i_nlink) > 1)
		lesson->row.flags |= BH_LEARNED_LINKED;
	bpf_loop(BH_MAX_LEARNED_DEPTH, bh_spell_name, &spelling, 0);
	used = spelling.used;
	if (spelling.error || used > BH_MAX_SPELLED)
		return -1;
	/* The hash takes whole words. */
	*(__u32 *)(lesson->row.text + used) = 0;
	*(__u32 *)(lesson->row.text + used + 4) = 0;
	lesson->row.text_bytes = used;
	if (lesson->key.kind == BH_LEARNED_FILE)
		bh_hash_path(lesson);
	return 0;
}

/* Keeps the row, or counts once more the one of the same act. */
static __always_inline void bh_keep_lesson(struct bh_lesson *lesson, struct bh_state *state)
{
	struct bh_learned *known;

	if (lesson->dentry && bh_learn_path(lesson))
		lesson->row.flags |= BH_REFUSAL_INTERNAL;
	known = bpf_map_lookup_elem(&bh_learned, &lesson->key);
	if (known) {
		__sync_fetch_and_add(&known->count, 1);
		return;
	}
	lesson->row.count = 1;
	if (state->learned < BH_MAX_LEARNED_EACH &&
	    !bpf_map_update_elem(&bh_learned, &lesson->key, &lesson->row, BPF_NOEXIST))
		__sync_fetch_and_add(&state->learned, 1);
	else if (!bpf_map_lookup_elem(&bh_learned, &lesson->key))
		__sync_fetch_and_add(&state->unlearned, 1);
}

/* What of the object tells one act from another. */
static __always_inline void bh_fill_lesson(struct bh_lesson *lesson, struct bh_request *request)
{
	__builtin_memset(lesson->key.object, 0, sizeof(lesson->key.object));
	lesson->key.access = 0;
	lesson->key.kind = BH_LEARNED_CLASS;
	lesson->row.text_bytes = 0;
	lesson->dentry = (__u64)request->path;
	if (request->class_id == BH_CLASS_EGRESS && request->name) {
		lesson->key.kind = BH_LEARNED_ADDRESS;
		bpf_probe_read_kernel(lesson->key.object, sizeof(lesson->key.object),
				      request->name);
	} else if (request->class_id == BH_CLASS_LISTEN) {
		lesson->key.kind = BH_LEARNED_PORT;
	} else if (request->hook == BH_HOOK_capable) {
		lesson->key.kind = BH_LEARNED_CAPABILITY;
		lesson->key.object[0] = request->values[0];
		lesson->key.object[1] = request->values[1];
	} else if (request->object_kind == BH_OBJECT_MOVE) {
		lesson->key.kind = BH_LEARNED_MOVE;
		lesson->key.object[0] = request->values[0];
		lesson->key.object[1] = request->values[1];
	} else if (request->object_kind == BH_OBJECT_FILE) {
		lesson->key.kind = BH_LEARNED_FILE;
		lesson->key.access = request->values[3];
	}
	if (lesson->key.kind == BH_LEARNED_ADDRESS || lesson->key.kind == BH_LEARNED_PORT)
		lesson->key.access = request->values[2] << 16 | request->values[3];
}

static __always_inline struct bh_lesson *bh_lesson_of_task(__u64 flags)
{
	return bpf_task_storage_get(&bh_lessons, bpf_get_current_task_btf(), NULL, flags);
}

/* The row that was made is in the task's lesson, until the next. 0; -1: none, which is counted. */
__weak __noinline int bh_learn(struct bh_request *request)
{
	struct bh_lesson *lesson;
	struct bh_state *state;
	__u32 slot;

	if (!request)
		return -1;
	slot = request->label.slot;
	state = bpf_map_lookup_elem(&bh_states, &slot);
	if (!state)
		return -1;
	lesson = bh_lesson_of_task(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!lesson) {
		__sync_fetch_and_add(&state->unlearned, 1);
		return -1;
	}
	lesson->key.label = request->label;
	lesson->key.hook = request->hook;
	lesson->key.class_id = request->class_id;
	__builtin_memcpy(lesson->row.object, request->values, sizeof(lesson->row.object));
	lesson->row.flags = request->flags;
	bh_fill_lesson(lesson, request);
	bh_keep_lesson(lesson, state);
	return 0;
}

/*
 * A file has several names, as who learned of it could not tell: overlayfs shows each name of such
 * a file as one of its own, and opens the file itself next.
 */
static __always_inline void bh_learn_links(void)
{
	struct bh_lesson *lesson = bh_lesson_of_task(0);
	struct bh_learned *known;

	if (!lesson || lesson->key.kind != BH_LEARNED_FILE || lesson->key.hook != BH_HOOK_file_open)
		return;
	known = bpf_map_lookup_elem(&bh_learned, &lesson->key);
	if (known)
		known->flags |= BH_LEARNED_LINKED;
}

#endif
