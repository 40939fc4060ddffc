/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on devices: of which kind one is, and whether it takes ioctls. Compiles as C for
 * the programs and as C++ for the runtime and the unit tests. Numbers: Documentation/admin-guide/
 * devices.txt of the kernel, linux/major.h, linux/miscdevice.h.
 */
#ifndef BULKHEAD_DECIDE_SURFACE_H
#define BULKHEAD_DECIDE_SURFACE_H

#include "bpf/decide.h"

enum bh_device_numbers {
	BH_MAJOR_MEMORY = 1,
	BH_MAJOR_VIRTUAL_TERMINAL = 4,
	BH_MAJOR_TERMINAL = 5,
	BH_MAJOR_LOOP = 7, /* block */
	BH_MAJOR_MISC = 10,
	BH_MAJOR_INPUT = 13,
	BH_MAJOR_OSS = 14,
	BH_MAJOR_ALSA = 116,
	BH_MAJOR_PTS_FIRST = 136,
	BH_MAJOR_PTS_LAST = 143,
	BH_MAJOR_NVIDIA = 195,
	BH_MAJOR_DRM = 226,

	BH_MISC_TUN = 200,
	BH_MISC_UINPUT = 223,
	BH_MISC_FUSE = 229,
	BH_MISC_KVM = 232,
	BH_MISC_MAPPER = 236,
	BH_MISC_LOOP_CONTROL = 237,
};
#define BH_DEV_MINOR(dev) ((dev) & ((1U << 20) - 1))

BH_PURE int bh_misc_device_kind(__u32 minor)
{
	switch (minor) {
	case BH_MISC_TUN:
		return BH_DEVICE_TUN;
	case BH_MISC_UINPUT:
		return BH_DEVICE_INPUT;
	case BH_MISC_FUSE:
		return BH_DEVICE_FUSE;
	case BH_MISC_KVM:
		return BH_DEVICE_KVM;
	case BH_MISC_MAPPER:
		return BH_DEVICE_BLOCK;
	case BH_MISC_LOOP_CONTROL:
		return BH_DEVICE_LOOP;
	default:
		return BH_DEVICE_OTHER;
	}
}

/* bh_device_kind of a device. `rdev` as the kernel has it in i_rdev. */
BH_PURE int bh_device_kind_of(__u32 rdev, int is_block)
{
	__u32 major = BH_DEV_MAJOR(rdev);

	if (is_block)
		return major == BH_MAJOR_LOOP ? BH_DEVICE_LOOP : BH_DEVICE_BLOCK;
	if (major >= BH_MAJOR_PTS_FIRST && major <= BH_MAJOR_PTS_LAST)
		return BH_DEVICE_TERMINAL;
	switch (major) {
	case BH_MAJOR_VIRTUAL_TERMINAL:
	case BH_MAJOR_TERMINAL:
		return BH_DEVICE_TERMINAL;
	case BH_MAJOR_MISC:
		return bh_misc_device_kind(BH_DEV_MINOR(rdev));
	case BH_MAJOR_INPUT:
		return BH_DEVICE_INPUT;
	case BH_MAJOR_OSS:
	case BH_MAJOR_ALSA:
		return BH_DEVICE_SOUND;
	case BH_MAJOR_NVIDIA:
	case BH_MAJOR_DRM:
		return BH_DEVICE_GPU;
	default:
		return BH_DEVICE_OTHER;
	}
}

/*
 * True for a device that a policy's list leaves without ioctls. /dev/null and its like, which every
 * environment has, are in no list: programs ask them whether they are terminals.
 */
BH_PURE int bh_refuses_ioctl(const struct bh_policy *policy, __u32 rdev, int is_block)
{
	if (!(policy->flags & BH_POLICY_IOCTLS))
		return 0;
	if (!is_block && BH_DEV_MAJOR(rdev) == BH_MAJOR_MEMORY && bh_device_is_harmless(rdev))
		return 0;
	return !(policy->ioctls >> bh_device_kind_of(rdev, is_block) & 1);
}

#endif
