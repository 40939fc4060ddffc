/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The fence's pure decisions: no map, no kernel type. Compiles as C for the programs (which include
 * the kernel's types first) and as C++ for the unit tests. A function of what was asked returns
 * the class that refuses it, or BH_ALLOWED.
 */
#ifndef BULKHEAD_DECIDE_H
#define BULKHEAD_DECIDE_H

#include "bpf/wire.h"

#define BH_ALLOWED (-1)

/* Flags of the super block `dev` in the environment's list, or BH_DEVICE_ABSENT. */
#define BH_DEVICE_ABSENT (-1)

BH_PURE int bh_find_device(const struct bh_environment *env, __u32 dev)
{
	__u32 i;

	for (i = 0; i < BH_MAX_DEVICES && i < env->device_count; i++)
		if (env->devices[i].dev == dev)
			return env->devices[i].flags & (BH_DEVICE_SHARED | BH_DEVICE_READ_ONLY);
	return BH_DEVICE_ABSENT;
}

/* True for a device that the policy names. `rdev` as the kernel has it in i_rdev. */
BH_PURE int bh_allows_device(const struct bh_policy *policy, __u32 rdev, int is_block)
{
	__u32 i;

	for (i = 0; i < BH_MAX_ALLOWED_DEVICES && i < policy->device_count; i++)
		if (policy->devices[i].rdev == rdev && policy->devices[i].is_block == is_block)
			return 1;
	return 0;
}

/* True for an inode that the environment was handed at its start. */
BH_PURE int bh_is_granted(const struct bh_environment *env, __u32 dev, __u64 ino)
{
	__u32 i;

	for (i = 0; i < BH_MAX_GRANTED; i++)
		if (env->granted[i].ino == ino && env->granted[i].dev == dev && ino)
			return 1;
	return 0;
}

/* super_block.s_magic (linux/magic.h) of the file systems with a class of their own. */
enum bh_magic {
	BH_MAGIC_CGROUP = 0x27e0eb,
	BH_MAGIC_PROC = 0x9fa0,
	BH_MAGIC_ANON_INODE = 0x09041934,
	BH_MAGIC_MQUEUE = 0x19800202,
	BH_MAGIC_BINFMT = 0x42494e4d,
	BH_MAGIC_APPARMOR = 0x5a3c69f0,
	BH_MAGIC_PSTORE = 0x6165676c,
	BH_MAGIC_CONFIGFS = 0x62656570,
	BH_MAGIC_SYSFS = 0x62656572,
	BH_MAGIC_CGROUP2 = 0x63677270,
	BH_MAGIC_DEBUGFS = 0x64626720,
	BH_MAGIC_NSFS = 0x6e736673,
	BH_MAGIC_SECURITYFS = 0x73636673,
	BH_MAGIC_TRACEFS = 0x74726163,
};
/* Beyond the range of int, hence not in the enum. */
#define BH_MAGIC_RESCTRL 0x7655821UL
#define BH_MAGIC_BPF 0xcafe4a11UL
#define BH_MAGIC_EFIVARS 0xde5e81e4UL
#define BH_MAGIC_SELINUX 0xf97cff8cUL

/* The class of opening a file on a super block that is not the environment's. */
BH_PURE int bh_file_system_class(__u64 magic)
{
	switch (magic) {
	case BH_MAGIC_BPF:
		return BH_CLASS_SELF;
	case BH_MAGIC_CGROUP:
	case BH_MAGIC_CGROUP2:
		return BH_CLASS_CGROUPS;
	case BH_MAGIC_APPARMOR:
	case BH_MAGIC_BINFMT:
	case BH_MAGIC_CONFIGFS:
	case BH_MAGIC_DEBUGFS:
	case BH_MAGIC_EFIVARS:
	case BH_MAGIC_PSTORE:
	case BH_MAGIC_RESCTRL:
	case BH_MAGIC_SECURITYFS:
	case BH_MAGIC_SELINUX:
	case BH_MAGIC_SYSFS:
	case BH_MAGIC_TRACEFS:
		return BH_CLASS_KERNEL_FILES;
	default:
		return BH_CLASS_FILES;
	}
}

/* The kernel's own encoding of dev_t. */
#define BH_DEV(major, minor) (major##U << 20 | minor##U)
#define BH_DEV_MAJOR(dev) ((dev) >> 20)

/* `name` has at least `bytes` bytes, those of `text` with the terminating one. */
BH_PURE int bh_name_is(const char *name, const char *text, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		if (name[i] != text[i])
			return 0;
	return 1;
}

#define BH_CGROUP_FILE_BYTES 24

/*
 * True for the files of an environment's own cgroup by which the cgroups below it are filled; all
 * others are its limits. `name`: BH_CGROUP_FILE_BYTES, zero-padded.
 */
BH_PURE int bh_cgroup_file_is_delegated(const char *name)
{
	return bh_name_is(name, "cgroup.procs", 13) || bh_name_is(name, "cgroup.threads", 15) ||
	       bh_name_is(name, "cgroup.subtree_control", 23);
}

/* Opening it makes a pseudo-terminal. */
BH_PURE int bh_is_terminal_maker(__u32 rdev)
{
	return rdev == BH_DEV(5, 2); /* ptmx */
}

/* Character devices that reach nothing beyond the environment. */
BH_PURE int bh_device_is_harmless(__u32 rdev)
{
	switch (rdev) {
	case BH_DEV(1, 3): /* null */
	case BH_DEV(1, 5): /* zero */
	case BH_DEV(1, 7): /* full */
	case BH_DEV(1, 8): /* random */
	case BH_DEV(1, 9): /* urandom */
	case BH_DEV(5, 0): /* tty: the process's own terminal */
	case BH_DEV(5, 2): /* ptmx */
		return 1;
	default: /* the terminals of devpts */
		return BH_DEV_MAJOR(rdev) >= 136 && BH_DEV_MAJOR(rdev) <= 143;
	}
}

/* mknod(2)'s number of a device in the kernel's own encoding. */
BH_PURE __u32 bh_device_of_node(__u32 dev)
{
	return (dev >> 8 & 0xfff) << 20 | (dev >> 12 & 0xfff00) | (dev & 0xff);
}

/* Socket families, types and protocols as the system call has them. */
enum bh_socket_numbers {
	BH_AF_UNIX = 1,
	BH_AF_INET = 2,
	BH_AF_INET6 = 10,
	BH_AF_NETLINK = 16,
	BH_AF_PACKET = 17,
	BH_SOCK_STREAM = 1,
	BH_SOCK_DGRAM = 2,
	BH_SOCK_RAW = 3,
	BH_IPPROTO_ICMP = 1,
	BH_IPPROTO_TCP = 6,
	BH_IPPROTO_UDP = 17,
	BH_IPPROTO_ICMPV6 = 58,
	BH_IPPROTO_MPTCP = 262,
	BH_NETLINK_ROUTE = 0,
	BH_NETLINK_SOCK_DIAG = 4,
	BH_NETLINK_KOBJECT_UEVENT = 15,
};

/* The protocols a server needs; others (SCTP, DCCP, L2TP) are code that few have looked at. */
BH_PURE int bh_inet_class(int type, int protocol)
{
	if (type == BH_SOCK_RAW)
		return BH_CLASS_RAW_SOCKETS;
	if (!protocol && (type == BH_SOCK_STREAM || type == BH_SOCK_DGRAM))
		return BH_ALLOWED;
	if (type == BH_SOCK_STREAM && (protocol == BH_IPPROTO_TCP || protocol == BH_IPPROTO_MPTCP))
		return BH_ALLOWED;
	if (type == BH_SOCK_DGRAM && (protocol == BH_IPPROTO_UDP || protocol == BH_IPPROTO_ICMP ||
				      protocol == BH_IPPROTO_ICMPV6))
		return BH_ALLOWED;
	return BH_CLASS_FAMILIES;
}

BH_PURE int bh_socket_class(int family, int type, int protocol)
{
	switch (family) {
	case BH_AF_UNIX:
		return BH_ALLOWED;
	case BH_AF_INET:
	case BH_AF_INET6:
		return bh_inet_class(type, protocol);
	case BH_AF_NETLINK:
		if (protocol == BH_NETLINK_ROUTE || protocol == BH_NETLINK_SOCK_DIAG ||
		    protocol == BH_NETLINK_KOBJECT_UEVENT)
			return BH_ALLOWED;
		return BH_CLASS_FAMILIES;
	case BH_AF_PACKET:
		return BH_CLASS_RAW_SOCKETS;
	default:
		return BH_CLASS_FAMILIES;
	}
}

/* linux/capability.h */
enum bh_capability {
	BH_CAP_SYS_MODULE = 16,
	BH_CAP_SYS_RAWIO = 17,
	BH_CAP_SYS_PACCT = 20,
	BH_CAP_SYS_ADMIN = 21,
	BH_CAP_SYS_BOOT = 22,
	BH_CAP_SYS_NICE = 23,
	BH_CAP_SYS_RESOURCE = 24,
	BH_CAP_SYS_TIME = 25,
	BH_CAP_SYS_TTY_CONFIG = 26,
	BH_CAP_AUDIT_CONTROL = 30,
	BH_CAP_MAC_OVERRIDE = 32,
	BH_CAP_MAC_ADMIN = 33,
	BH_CAP_SYSLOG = 34,
	BH_CAP_WAKE_ALARM = 35,
	BH_CAP_BLOCK_SUSPEND = 36,
	BH_CAP_AUDIT_READ = 37,
	BH_CAP_PERFMON = 38,
	BH_CAP_CHECKPOINT_RESTORE = 40,
};

/*
 * Capabilities that reach beyond the environment when the initial user namespace is asked. BPF
 * is not here: what it opens is refused by a hook of its own. PERFMON is: from 6.15 it reads the
 * memory map and environment of any process, past ptrace_access_check. NICE is: no CPU limit holds
 * a real-time task. RESOURCE is: it raises limits, and hides from the out-of-memory killer.
 */
#define BH_CAPABILITIES_BEYOND                                                                     \
	(1ULL << BH_CAP_SYS_MODULE | 1ULL << BH_CAP_SYS_RAWIO | 1ULL << BH_CAP_SYS_PACCT |         \
	 1ULL << BH_CAP_SYS_BOOT | 1ULL << BH_CAP_SYS_NICE | 1ULL << BH_CAP_SYS_RESOURCE |         \
	 1ULL << BH_CAP_SYS_TIME | 1ULL << BH_CAP_SYS_TTY_CONFIG | 1ULL << BH_CAP_AUDIT_CONTROL |  \
	 1ULL << BH_CAP_MAC_OVERRIDE | 1ULL << BH_CAP_MAC_ADMIN | 1ULL << BH_CAP_SYSLOG |          \
	 1ULL << BH_CAP_WAKE_ALARM | 1ULL << BH_CAP_BLOCK_SUSPEND | 1ULL << BH_CAP_AUDIT_READ |    \
	 1ULL << BH_CAP_PERFMON | 1ULL << BH_CAP_CHECKPOINT_RESTORE)

/*
 * SYS_ADMIN is refused in every user namespace: setns, unshare, fsopen, open_tree and
 * mount_setattr have no hook but this. So a policy whose `control` gives the mount family gives it,
 * but in the initial one. `level`: depth of the user namespace, 0 the initial one.
 */
BH_PURE int bh_capability_class(__u64 control, int capability, int level)
{
	if (capability == BH_CAP_SYS_ADMIN)
		return level && !BH_CONTROL_REFUSES(control, BH_CLASS_MOUNTS)
			       ? BH_ALLOWED
			       : BH_CLASS_CAPABILITIES;
	if (level || !(BH_CAPABILITIES_BEYOND >> (capability & 63) & 1))
		return BH_ALLOWED;
	if (capability == BH_CAP_SYS_TIME)
		return BH_CLASS_CLOCK;
	if (capability == BH_CAP_SYSLOG)
		return BH_CLASS_SYSLOG;
	if (capability == BH_CAP_PERFMON)
		return BH_CLASS_PERF;
	return BH_CLASS_CAPABILITIES;
}

/*
 * Anonymous inodes that are handles on the kernel itself; "bpf-map", "bpf-prog", "bpf_link",
 * "btf", "[perf_event]", "[io_uring]", "[userfaultfd]"; not "[pidfd]". `name`: its first four
 * bytes.
 */
BH_PURE int bh_anon_inode_is_kernel_handle(const char *name)
{
	if (name[0] != '[')
		return name[0] == 'b';
	return name[1] == 'i' || name[1] == 'u' || (name[1] == 'p' && name[2] == 'e');
}

/*
 * The class of making such an inode. `name`: 16 bytes, zero-padded. `uring_by_name`: no other hook
 * refuses io_uring.
 */
BH_PURE int bh_anon_inode_class(const char *name, int uring_by_name)
{
	if (name[0] != '[')
		return BH_ALLOWED;
	if (name[1] == 'u' && name[2] == 's' && name[3] == 'e' && name[4] == 'r')
		return BH_CLASS_USERFAULTFD;
	if (uring_by_name && name[1] == 'i' && name[2] == 'o' && name[3] == '_')
		return BH_CLASS_IO_URING;
	return BH_ALLOWED;
}

enum bh_ioctl_numbers {
	BH_KDSKBENT = 0x4b47,
	BH_KDSKBSENT = 0x4b49,
	BH_TIOCSTI = 0x5412,
	BH_TIOCLINUX = 0x541c,
	BH_FIOSETOWN = 0x8901,
	BH_SIOCSPGRP = 0x8902,
};

/*
 * Typing into a terminal, by its input or by the console's keys; and naming who gets a descriptor's
 * signals by a number in memory, which can change after it was looked at.
 */
BH_PURE int bh_ioctl_class(__u32 cmd)
{
	switch (cmd) {
	case BH_KDSKBENT:
	case BH_KDSKBSENT:
	case BH_TIOCSTI:
	case BH_TIOCLINUX:
		return BH_CLASS_DEVICES;
	case BH_FIOSETOWN:
	case BH_SIOCSPGRP:
		return BH_CLASS_SIGNAL;
	default:
		return BH_ALLOWED;
	}
}

enum bh_fcntl_numbers {
	BH_F_SETFL = 4,
	BH_F_SETOWN = 8,
	BH_F_SETOWN_EX = 15,
};

/* True for requests that name who gets a descriptor's signals: any, SIGKILL included. */
BH_PURE int bh_fcntl_names_owner(__u32 cmd)
{
	return cmd == BH_F_SETOWN || cmd == BH_F_SETOWN_EX;
}

/*
 * Whether the signals may go to `owner`, as the caller counts processes: to nobody, to itself
 * (`own`), to the group that it leads. F_SETOWN_EX has the number in memory, which can change.
 */
BH_PURE int bh_owner_is_own(__u32 cmd, __s32 owner, __s32 own)
{
	return cmd == BH_F_SETOWN && (owner == 0 || owner == own || owner == -own);
}

/* linux/ipc.h */
#define BH_IPC_RMID 0
#define BH_IPC_SET 1

/* True for what only an owner does to a System V object: remove it, change its owner or mode. */
BH_PURE int bh_ipc_control_owns(int cmd)
{
	return cmd == BH_IPC_RMID || cmd == BH_IPC_SET;
}

#define BH_KEYCTL_SESSION_TO_PARENT 18

/* The key that stands for a question to /sbin/request-key, which runs as root on the host. */
BH_PURE int bh_key_type_is_upcall(const char *type)
{
	return type[0] == '.' && type[1] == 'r' && type[2] == 'e' && type[3] == 'q';
}

/* True for the name of a directory below /proc that belongs to a process. */
BH_PURE int bh_is_pid_name(const char *name)
{
	return name[0] >= '0' && name[0] <= '9';
}

#endif
