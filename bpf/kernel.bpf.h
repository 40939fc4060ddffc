/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every program includes: the kernel's types, libbpf's helpers, the ABI, and the kernel's
 * constants that are macros and therefore not in BTF.
 */
#ifndef BULKHEAD_KERNEL_BPF_H
#define BULKHEAD_KERNEL_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/wire.h"

#define EPERM 1
#define ENOMEM 12
#define EACCES 13
#define ENOSPC 28
#define EPROTONOSUPPORT 93

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000

#define FMODE_WRITE 2
#define SB_NOUSER (1UL << 31)
#define CAP_OPT_NOAUDIT 2

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

#ifndef NULL
#define NULL ((void *)0)
#endif

#endif
