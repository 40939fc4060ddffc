/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on trees of paths: which rights an act needs. Compiles as C for the programs and
 * as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_TREE_H
#define BULKHEAD_DECIDE_TREE_H

#include "bpf/decide.h"

/* Of struct file: f_mode and f_flags as the kernel has them. */
enum bh_open_numbers {
	BH_FMODE_READ = 0x1,
	BH_FMODE_WRITE = 0x2,
	BH_O_TRUNC = 01000,
	BH_O_APPEND = 02000,
	BH_FMODE_EXEC = 0x20, /* in f_flags: opened to be executed; no system call sets it */
};

/* The rights that opening a file needs. */
BH_PURE __u32 bh_rights_to_open(__u32 mode, __u32 flags)
{
	__u32 rights = 0;

	if (flags & BH_FMODE_EXEC)
		return BH_RIGHT_EXECUTE;
	if (mode & BH_FMODE_WRITE) {
		/* A shared mapping needs reading as well, and appends nothing. */
		if (flags & BH_O_APPEND && !(mode & BH_FMODE_READ) && !(flags & BH_O_TRUNC))
			return BH_RIGHT_APPEND;
		rights |= BH_RIGHT_WRITE;
	}
	if (mode & BH_FMODE_READ || !rights)
		rights |= BH_RIGHT_READ;
	return rights;
}

/* Of the mask of file_permission. */
enum bh_use_numbers {
	BH_USE_WRITE = 0x2,
	BH_USE_READ = 0x4,
};

/* The rights that using an open file needs. The kernel reads a program that it executes itself. */
BH_PURE __u32 bh_rights_to_use(__u32 flags, __u32 mask)
{
	__u32 rights = 0;

	if (flags & BH_FMODE_EXEC)
		return BH_RIGHT_EXECUTE;
	if (mask & BH_USE_READ)
		rights |= BH_RIGHT_READ;
	if (mask & BH_USE_WRITE)
		rights |= flags & BH_O_APPEND ? BH_RIGHT_APPEND : BH_RIGHT_WRITE;
	return rights;
}

/* The rights that mapping it needs: a shared mapping can be made writable where the file is. */
BH_PURE __u32 bh_rights_to_map(__u32 mode, __u32 flags, int as_code, int shared)
{
	if (flags & BH_FMODE_EXEC || as_code)
		return BH_RIGHT_EXECUTE;
	return BH_RIGHT_READ | (shared && mode & BH_FMODE_WRITE ? BH_RIGHT_WRITE : 0);
}

/*
 * The class that asks for `rights`: executing is asked about by PATHS where no list of programs is,
 * since then a program runs where it may be read.
 */
BH_PURE int bh_class_of_rights(__u64 control, __u32 rights)
{
	if (rights & BH_RIGHT_EXECUTE && BH_CONTROL_REFUSES(control, BH_CLASS_EXECUTION))
		return BH_CLASS_EXECUTION;
	return BH_CONTROL_REFUSES(control, BH_CLASS_PATHS) ? BH_CLASS_PATHS : BH_ALLOWED;
}

#endif
