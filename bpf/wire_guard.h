/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that `bulkhead load --protect` and its programs share. They are attached
 * beside the fence and know nothing of environments. Included by wire.h.
 */
#ifndef BULKHEAD_WIRE_GUARD_H
#define BULKHEAD_WIRE_GUARD_H

#define BH_GUARD_PLACES 4 /* the directory of our pins, and those in it */
#define BH_GUARD_MAX_OWNED 16384 /* maps, programs and links */
#define BH_GUARD_REFUSALS 32 /* last ones that are kept */

/* Our programs, by their files. */
enum bh_guard_executable {
	BH_GUARD_COMMAND,
	BH_GUARD_LEDGER,
	BH_GUARD_AGENT,
	BH_GUARD_EXECUTABLES,
};

/* A file as the kernel has it: of a generation that the file system chose when it was made. */
struct bh_guard_file {
	__u64 ino;
	__u32 dev; /* super_block.s_dev */
	__u32 generation;
};
BH_ASSERT_SIZE(struct bh_guard_file, 16);

/* The row of bh_guard. `armed` is stored last, and cleared first. */
struct bh_guard {
	__u32 armed;
	__u32 mnt_ns; /* inode number of the host's mount namespace */
	struct bh_guard_file places[BH_GUARD_PLACES];
	struct bh_guard_file executables[BH_GUARD_EXECUTABLES]; /* ino 0: not installed */
};
BH_ASSERT_SIZE(struct bh_guard, 120);

enum bh_guard_kind {
	BH_GUARD_MAP,
	BH_GUARD_PROGRAM,
	BH_GUARD_LINK,
};

/* Key of bh_guard_owned: an object that is ours, by the id that the kernel gave it. */
struct bh_guard_object {
	__u32 kind; /* bh_guard_kind */
	__u32 id;
};
BH_ASSERT_SIZE(struct bh_guard_object, 8);

#define BH_GUARD_HOOKS(X)                                                                          \
	X(bpf_map)                                                                                 \
	X(bpf_prog)                                                                                \
	X(bpf)                                                                                     \
	X(inode_permission)                                                                        \
	X(inode_rename)                                                                            \
	X(inode_unlink)                                                                            \
	X(task_kill)                                                                               \
	X(ptrace_access_check)                                                                     \
	X(task_prctl)                                                                              \
	X(sb_umount)                                                                               \
	X(sb_mount)                                                                                \
	X(move_mount)

enum bh_guard_hook {
#define BH_GUARD_HOOK_ENUM(name) BH_GUARD_##name,
	BH_GUARD_HOOKS(BH_GUARD_HOOK_ENUM)
#undef BH_GUARD_HOOK_ENUM
		BH_GUARD_HOOK_COUNT
};

/* Who was refused. */
struct bh_guard_refusal {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 object; /* id, inode, pid, or what else the hook is about */
	__u32 pid;
	__u32 uid;
	__u32 hook; /* bh_guard_hook */
	__u32 pad;
	char comm[BH_COMM_BYTES];
};
BH_ASSERT_SIZE(struct bh_guard_refusal, 48);

/* The row of bh_guard_log, written by the programs only. */
struct bh_guard_log {
	__u64 count; /* ever */
	__u64 refused[BH_GUARD_HOOK_COUNT];
	struct bh_guard_refusal last[BH_GUARD_REFUSALS]; /* a ring by count */
};
BH_ASSERT_SIZE(struct bh_guard_log, 1640);

/* What the program bh_g_note is run with: it puts down whose file a descriptor is. */
struct bh_guard_note {
	__u32 fd;
	__u32 pad;
	struct bh_guard_file file; /* ino 0: no such descriptor */
};
BH_ASSERT_SIZE(struct bh_guard_note, 24);

#endif
