/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about [kernel]: kinds of devices, as `ioctl` names them. Included by
 * wire.h.
 */
#ifndef BULKHEAD_WIRE_SURFACE_H
#define BULKHEAD_WIRE_SURFACE_H

/* X(ENUM, name): the position is the bit in bh_policy.ioctls. Append-only. */
#define BH_DEVICE_KINDS(X)                                                                         \
	X(TERMINAL, terminal)                                                                      \
	X(TUN, tun)                                                                                \
	X(BLOCK, block)                                                                            \
	X(LOOP, loop)                                                                              \
	X(GPU, gpu)                                                                                \
	X(KVM, kvm)                                                                                \
	X(FUSE, fuse)                                                                              \
	X(INPUT, input)                                                                            \
	X(SOUND, sound)                                                                            \
	X(OTHER, other)

enum bh_device_kind {
#define BH_DEVICE_KIND_ENUM(id, name) BH_DEVICE_##id,
	BH_DEVICE_KINDS(BH_DEVICE_KIND_ENUM)
#undef BH_DEVICE_KIND_ENUM
		BH_DEVICE_KIND_COUNT
};

#endif
