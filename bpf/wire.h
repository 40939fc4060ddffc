/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The ABI between the kernel programs and user space: map keys and values, and the lists of
 * classes and hooks. Compiles as C for BPF and as C++.
 *
 * Enums are append-only. Every struct has explicit padding and an asserted size. A change that
 * moves a field raises BH_WIRE_VERSION.
 */
#ifndef BULKHEAD_WIRE_H
#define BULKHEAD_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define BH_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes))
#else
#define BH_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#endif

#ifdef __bpf__
#define BH_PURE static __always_inline
#else
#define BH_PURE static inline
#endif

#define BH_WIRE_VERSION 11

#define BH_MAX_ENVIRONMENTS 2048
#define BH_MAX_DEVICES 16 /* super blocks an environment may use */
#define BH_MAX_GRANTED 9 /* standard descriptors, the beancounters, later standard descriptors */
#define BH_MAX_REFUSALS 32 /* last refusals kept for each environment */
#define BH_MAX_REFUSAL_ROWS (BH_MAX_ENVIRONMENTS * BH_MAX_REFUSALS)
#define BH_NAME_BYTES 64
#define BH_COMM_BYTES 16
#define BH_TEXT_PARTS 8
#define BH_TEXT_BYTES 32
#define BH_MAX_CLASSES 40
#define BH_MAX_LISTEN 16 /* entries of the ports that a policy lets serve */
#define BH_MAX_ALLOWED_DEVICES 8
#define BH_MAX_OBJECTS 65536 /* live IPC objects and keys that environments own */

/*
 * What can be refused: X(ENUM, name, what a refusal of this class protects).
 * The position is the bit in bh_environment.control.
 */
#define BH_CLASSES(X)                                                                              \
	X(IDENTITY, identity, "the task is where its label says it is")                            \
	X(SIGNAL, signal, "signals to processes of others")                                        \
	X(PROCESS, process, "priority, scheduling and limits of processes of others")              \
	X(TRACE, trace, "ptrace, /proc/PID and memory of processes of others")                     \
	X(UNIX, unix, "Unix sockets of others")                                                    \
	X(IPC, ipc, "System V IPC objects of others")                                              \
	X(KEYS, keys, "keys and keyrings of others")                                               \
	X(DESCRIPTORS, descriptors, "received file descriptors from a foreign super block")        \
	X(FILES, files, "files on super blocks that are not the environment's")                    \
	X(DEVICES, devices, "device nodes beyond the harmless ones")                               \
	X(KERNEL_FILES, kernel_files, "tracefs, debugfs, securityfs and other kernel interfaces")  \
	X(SYSCTL, sysctl, "writes below /proc/sys and to /proc itself")                            \
	X(CGROUPS, cgroups, "writes to the cgroup file system")                                    \
	X(MOUNTS, mounts, "the whole mount family")                                                \
	X(BPF, bpf, "the bpf() system call")                                                       \
	X(PERF, perf, "performance events")                                                        \
	X(MODULES, modules, "loading modules, firmware and kexec images")                          \
	X(IO_URING, io_uring, "io_uring")                                                          \
	X(USERFAULTFD, userfaultfd, "userfaultfd")                                                 \
	X(USER_NAMESPACES, user_namespaces, "further user namespaces")                             \
	X(RAW_SOCKETS, raw_sockets, "raw and packet sockets")                                      \
	X(FAMILIES, families, "socket families beyond unix, inet, inet6 and netlink route")        \
	X(CLOCK, clock, "setting the clock")                                                       \
	X(SYSLOG, syslog, "the kernel's log")                                                      \
	X(CAPABILITIES, capabilities, "capabilities that reach beyond the environment")            \
	X(SELF, self, "Bulkhead's own pins, maps, programs, links and agent")                      \
	X(PATHS, paths, "files that the policy does not give")                                     \
	X(EXECUTION, execution, "programs that the policy does not let run")                       \
	X(DRIFT, drift, "programs that were written after the start")                              \
	X(ANONYMOUS_CODE, anonymous_code, "programs that lie in no directory: memfd, deleted")     \
	X(WRITABLE_CODE, writable_code, "memory that is both writable and executable")             \
	X(EGRESS, egress, "addresses that the policy does not let reach")                          \
	X(LISTEN, listen, "ports that the policy does not let serve")                              \
	X(SETUID, setuid, "privilege gained by executing a set-uid or capable file")               \
	X(DEBUG, debug, "ptrace of processes of the same environment")                             \
	X(PRIORITY, priority, "raised priority or real-time scheduling")                           \
	X(CORE_DUMPS, core_dumps, "core dumps")                                                    \
	X(PERSONALITY, personality, "executing with another personality than Linux's own")         \
	X(DROPPED_CAPABILITIES, dropped_capabilities,                                              \
	  "capabilities that the policy does not keep")                                            \
	X(BEANCOUNTERS, beancounters, "the environment's bounds on kernel objects, and its budgets")

/* From here on only where a policy asks for it; with no rule that says otherwise, always. */
#define BH_FIRST_POLICY_CLASS BH_CLASS_PATHS

enum bh_class {
#define BH_CLASS_ENUM(id, name, text) BH_CLASS_##id,
	BH_CLASSES(BH_CLASS_ENUM)
#undef BH_CLASS_ENUM
		BH_CLASS_COUNT
};

/* Every attached hook, by the kernel's name: what `why` shows. Append-only. */
#define BH_HOOKS(X)                                                                                \
	X(task_alloc)                                                                              \
	X(bprm_check_security)                                                                     \
	X(task_kill)                                                                               \
	X(ptrace_access_check)                                                                     \
	X(ptrace_traceme)                                                                          \
	X(task_setnice)                                                                            \
	X(task_setscheduler)                                                                       \
	X(task_setioprio)                                                                          \
	X(task_prlimit)                                                                            \
	X(task_movememory)                                                                         \
	X(unix_stream_connect)                                                                     \
	X(unix_may_send)                                                                           \
	X(ipc_permission)                                                                          \
	X(shm_shmctl)                                                                              \
	X(sem_semctl)                                                                              \
	X(msg_queue_msgctl)                                                                        \
	X(key_permission)                                                                          \
	X(file_receive)                                                                            \
	X(file_open)                                                                               \
	X(path_mknod)                                                                              \
	X(path_link)                                                                               \
	X(path_unlink)                                                                             \
	X(path_symlink)                                                                            \
	X(path_mkdir)                                                                              \
	X(path_rmdir)                                                                              \
	X(path_rename)                                                                             \
	X(inode_setattr)                                                                           \
	X(inode_getattr)                                                                           \
	X(sb_mount)                                                                                \
	X(sb_umount)                                                                               \
	X(sb_remount)                                                                              \
	X(sb_pivotroot)                                                                            \
	X(move_mount)                                                                              \
	X(bpf)                                                                                     \
	X(perf_event_open)                                                                         \
	X(kernel_module_request)                                                                   \
	X(kernel_read_file)                                                                        \
	X(kernel_load_data)                                                                        \
	X(inode_init_security_anon)                                                                \
	X(uring_allowed)                                                                           \
	X(userns_create)                                                                           \
	X(socket_create)                                                                           \
	X(socket_connect)                                                                          \
	X(syslog)                                                                                  \
	X(capable)                                                                                 \
	X(shm_alloc_security)                                                                      \
	X(sem_alloc_security)                                                                      \
	X(msg_queue_alloc_security)                                                                \
	X(key_alloc)                                                                               \
	X(socket_post_create)                                                                      \
	X(path_truncate)                                                                           \
	X(path_chmod)                                                                              \
	X(path_chown)                                                                              \
	X(inode_setxattr)                                                                          \
	X(inode_removexattr)                                                                       \
	X(inode_set_acl)                                                                           \
	X(task_setrlimit)                                                                          \
	X(mmap_file)                                                                               \
	X(file_mprotect)                                                                           \
	X(file_fcntl)                                                                              \
	X(bprm_creds_from_file)                                                                    \
	X(socket_sendmsg)                                                                          \
	X(socket_bind)                                                                             \
	X(socket_listen)                                                                           \
	X(cgroup_egress)                                                                           \
	X(path_notify)                                                                             \
	X(inode_readlink)                                                                          \
	X(inode_getxattr)                                                                          \
	X(inode_listxattr)                                                                         \
	X(inode_create)                                                                            \
	X(inode_unlink)                                                                            \
	X(file_ioctl)                                                                              \
	X(file_ioctl_compat)                                                                       \
	X(cred_alloc_blank)                                                                        \
	X(file_alloc_security)                                                                     \
	X(socket_accept)                                                                           \
	X(cgroup_can_fork)                                                                         \
	X(timer)                                                                                   \
	X(file_lock)                                                                               \
	X(file_permission)                                                                         \
	X(cgroup_connect)                                                                          \
	X(cgroup_sendmsg)                                                                          \
	X(oom_kill)                                                                                \
	X(swap_charge)

enum bh_hook {
#define BH_HOOK_ENUM(name) BH_HOOK_##name,
	BH_HOOKS(BH_HOOK_ENUM)
#undef BH_HOOK_ENUM
		BH_HOOK_COUNT
};

enum bh_mode {
	BH_MODE_ENFORCE,
	BH_MODE_AUDIT, /* allow, but record what would be refused */
	BH_MODE_LEARN, /* the classes in bh_policy.learned are; the others are enforced */
	BH_MODE_COUNT
};

/*
 * Who a task, socket, IPC object or key belongs to. `slot` indexes bh_envs; `serial` is never
 * reused, so that what outlives its environment matches no later one. serial 0: nobody.
 */
struct bh_label {
	__u32 slot;
	__u32 serial;
};
BH_ASSERT_SIZE(struct bh_label, 8);

/* Value of bh_tasks (task storage). */
struct bh_task {
	struct bh_label label;
	__u64 run_delay_ns; /* part of task->sched_info.run_delay that is accounted already */
	__u64 of_exec; /* 1: it may be in bh_exec_tasks, too */
};
BH_ASSERT_SIZE(struct bh_task, 24);

/*
 * bh_environment.control: what a hook decides by, read once and published by one 64-bit store.
 * Bits 0..39: classes refused. 40..41: mode. 42..63: generation, of which the rows of a policy's
 * rules carry the number; never 0.
 */
#define BH_CONTROL_MODE_SHIFT 40
#define BH_CONTROL_GENERATION_SHIFT 42
#define BH_CONTROL_CLASSES(control) ((control) & ((1ULL << BH_MAX_CLASSES) - 1))
#define BH_CONTROL_MODE(control) (((control) >> BH_CONTROL_MODE_SHIFT) & 3)
#define BH_CONTROL_GENERATION(control) ((control) >> BH_CONTROL_GENERATION_SHIFT)
#define BH_CONTROL_REFUSES(control, class_id) (((control) >> (class_id)) & 1)

enum bh_device_flags {
	/*
	 * The super block also holds what is not the environment's (a bind mount of the host, a
	 * root file system used as it is): only through a mount of its own mount namespace.
	 */
	BH_DEVICE_SHARED = 1 << 0,
	BH_DEVICE_READ_ONLY = 1 << 1, /* opening for writing is refused */
};

/* `dev` as the kernel has it in super_block.s_dev: major << 20 | minor. */
struct bh_device {
	__u32 dev;
	__u32 flags;
};
BH_ASSERT_SIZE(struct bh_device, 8);

/* An inode that the environment was handed at its start although it lies elsewhere. */
struct bh_inode {
	__u64 ino;
	__u32 dev;
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_inode, 16);

enum bh_environment_flags {
	BH_ENV_HOST_NETWORK = 1 << 0, /* shares the host's network namespace */
	BH_ENV_BEST_EFFORT = 1 << 1, /* started although a control was not effective */
	BH_ENV_ADOPTED = 1 << 2, /* ran before it was an environment: whatever is in its cgroup */
	BH_ENV_RELEASING = 1 << 3, /* its tasks lose their label */
	BH_ENV_RULES = 1 << 4, /* rows of rules carry its label */
	BH_ENV_PUBLISHING = 1 << 5, /* and maybe with other generations than control's */
	BH_ENV_COUNTED = 1 << 6, /* has or had bounds on what programs count */
	BH_ENV_BUDGETED = 1 << 7, /* has or had budgets */
	BH_ENV_GOVERNED = 1 << 8, /* has or had what an agent looks after: bh_governed */
	BH_ENV_REVOKES = 1 << 9, /* its policy closes what was opened before */
	BH_ENV_IOCTLS = 1 << 10, /* its policy names the devices that take ioctls */
	BH_ENV_NAMES = 1 << 11, /* its policy says by name which environments are reached */
	BH_ENV_UNJUDGED = 1 << 12, /* what this generation's trees refuse was let through a while */
};

/*
 * Value of bh_envs: one record for each environment, written by user space only.
 * `serial` is stored last when published and cleared first when withdrawn.
 */
struct bh_environment {
	__u64 control;
	__u32 serial;
	__u32 flags;
	__u64 cgroup_id;
	__u32 cgroup_level; /* depth of that cgroup below the hierarchy's root */
	__u32 mnt_ns; /* inode numbers of its namespaces */
	__u32 net_ns;
	__u32 user_ns; /* 0: none in which only its own tasks are */
	__u32 init_pid; /* host pid of its first process */
	__u32 uid_base; /* host id of root inside */
	__u32 uid_count;
	__u32 device_count;
	struct bh_device devices[BH_MAX_DEVICES];
	struct bh_inode granted[BH_MAX_GRANTED];
	__u64 started_ns; /* CLOCK_BOOTTIME */
	char name[BH_NAME_BYTES];
};
BH_ASSERT_SIZE(struct bh_environment, 400);

/* Key of bh_policies, and the beginning of the keys of all rows of a policy's rules. */
struct bh_policy_key {
	struct bh_label label;
	__u32 generation;
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_policy_key, 16);

/* Ports, both inclusive. protocol: IPPROTO_TCP, IPPROTO_UDP, … or 0 for any. */
struct bh_port_rule {
	__u16 first;
	__u16 last;
	__u8 protocol;
	__u8 verdict; /* bh_verdict */
	__u16 rule; /* number of the rule that this came from */
};
BH_ASSERT_SIZE(struct bh_port_rule, 8);

/* A device by number, whatever its node is called. rdev: as in bh_device. */
struct bh_device_rule {
	__u32 rdev;
	__u16 is_block;
	__u16 rule;
};
BH_ASSERT_SIZE(struct bh_device_rule, 8);

enum bh_verdict {
	BH_VERDICT_NONE, /* an unused place: ends the list */
	BH_VERDICT_ALLOW,
	BH_VERDICT_REFUSE, /* EPERM */
	BH_VERDICT_DROP, /* datagrams and packets vanish; connect() is refused like REFUSE */
};

enum bh_policy_flags {
	BH_POLICY_OWN_CGROUPS = 1 << 0, /* cgroups are made and filled below the environment's */
	BH_POLICY_SYSCTLS = 1 << 1, /* there are rows of sysctls */
	BH_POLICY_REVOKES = 1 << 2, /* nodes of [files] have BH_NODE_REVOKES */
	BH_POLICY_IOCTLS = 1 << 3, /* bh_policy.ioctls is asked */
	BH_POLICY_IOCTLS_AUDITED = 1 << 4, /* what it refuses is recorded but allowed */
	BH_POLICY_NAMES = 1 << 5, /* rows of bh_peers have ports */
};

/*
 * Value of bh_policies: what the rules of one generation say beside trees and addresses. There is
 * a row only for an environment whose policy has such rules.
 */
struct bh_policy {
	__u64 audited; /* classes that are recorded but allowed, whatever the mode */
	__u64 capabilities; /* kept, a bit each; asked when DROPPED_CAPABILITIES is set */
	__u64 drift_ns; /* CLOCK_REALTIME_COARSE of the start: what changed since does not run */
	__u64 learned; /* classes that are allowed and learned, whatever the mode */
	__u32 listen_count;
	__u32 rule_of_class[BH_MAX_CLASSES]; /* number of the rule that set the class; 0: none */
	__u16 device_count;
	__u16 flags; /* bh_policy_flags */
	struct bh_port_rule listen[BH_MAX_LISTEN];
	struct bh_device_rule devices[BH_MAX_ALLOWED_DEVICES];
	__u32 ioctls; /* kinds of devices that take them, a bit each: bh_device_kind */
	__u32 ioctl_rule; /* number of the rule that has the list */
};
BH_ASSERT_SIZE(struct bh_policy, 400);

#include "bpf/wire_ipc.h"
#include "bpf/wire_learn.h"
#include "bpf/wire_network.h"
#include "bpf/wire_routes.h"
#include "bpf/wire_surface.h"
#include "bpf/wire_tree.h"

#include "bpf/wire_usage.h"

/* Value of bh_states: what the kernel programs count; absolute, written by the kernel only. */
struct bh_state {
	__u64 refused[BH_MAX_CLASSES]; /* by class, in enforce mode */
	__u64 audited[BH_MAX_CLASSES]; /* by class, would have been refused */
	__u64 internal; /* refused because a decision could not be made */
	__u64 refusal_count; /* refusals and audits ever: bh_refusals holds the last */
	struct bh_counts counts;
	__u64 exited_ns; /* CLOCK_BOOTTIME at which the first process ended; 0: it lives */
	__u64 unrecorded; /* refusals counted, but without a row in bh_refusals: no memory */
	__u64 learned; /* rows in bh_learned */
	__u64 unlearned; /* acts that a row could not be had for: what was learned is not all */
	__u32 exit_status; /* as wait(2) gives it */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_state, 992);

#include "bpf/wire_beancounters.h"

/* Key of bh_refusals: the last BH_MAX_REFUSALS of each environment, a ring by `index`. */
struct bh_refusal_key {
	struct bh_label label;
	__u64 index;
};
BH_ASSERT_SIZE(struct bh_refusal_key, 16);

enum bh_object_kind {
	BH_OBJECT_NONE,
	BH_OBJECT_TASK, /* values: pid, signal or request, owner slot, owner serial; text: comm */
	BH_OBJECT_FILE, /* values: dev, ino, mode, access; text: path from the leaf up */
	BH_OBJECT_SOCKET, /* values: family, type, protocol, port; of a Unix socket that is reached
			     owner slot, owner serial; text: path, or a bh_reached_text */
	BH_OBJECT_IPC, /* values: key, id, owner slot, owner serial */
	BH_OBJECT_KEY, /* values: serial, permission, owner slot, owner serial; text: type */
	BH_OBJECT_NUMBER, /* values: command, capability, … of the hook; text: name if any */
	BH_OBJECT_BEANCOUNTER, /* values: bh_beancounter_id, held, barrier, limit */
	BH_OBJECT_MOVE, /* values: the hashes of two paths that were learned, from and to */
	BH_OBJECT_BUDGET, /* values: bh_budget_kind, used, amount, period in ns */
	BH_OBJECT_IOCTL, /* values: rdev as in bh_device, command, mode, bh_device_kind; text:
			    path from the leaf up */
};

/* The access of BH_OBJECT_FILE, but of the classes that ask for a bh_right. */
enum bh_file_access {
	BH_ACCESS_WRITE = 1 << 0,
	BH_ACCESS_OWN_CGROUP = 1 << 1, /* BH_POLICY_OWN_CGROUPS would give it */
};

enum bh_refusal_flags {
	BH_REFUSAL_AUDITED = 1 << 0, /* allowed: the environment's mode is audit */
	BH_REFUSAL_INTERNAL = 1 << 1, /* a helper failed, so the decision was to refuse */
	BH_REFUSAL_WARNED = 1 << 2, /* allowed: a beancounter or a budget is past its warning */
	BH_REFUSAL_LEARNED = 1 << 3, /* allowed, and not among the refusals: it is learned */
	BH_REFUSAL_EXCEEDED = 1 << 4, /* with WARNED: a budget is past its amount */
};

/* Value of bh_refusals: one refusal as `why` explains it. */
struct bh_refusal {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 sequence; /* from 1, stored last; 0: the row is being written */
	struct bh_label label;
	__u32 pid; /* as the host sees it */
	__u32 tid;
	__u32 uid; /* as the host sees it */
	__s32 error; /* negative errno */
	__u32 generation; /* of the control word that decided */
	__u16 hook;
	__u8 class_id;
	__u8 flags;
	__u32 object_kind;
	__u32 rule; /* number of the policy's rule that decided; 0: the class alone did */
	__u64 object[4];
	char comm[BH_COMM_BYTES];
	char text[BH_TEXT_PARTS][BH_TEXT_BYTES];
};
BH_ASSERT_SIZE(struct bh_refusal, 360);

/* Value of bh_meta, one row: what user space checks before it uses the pins. */
struct bh_meta {
	__u32 wire_version;
	__u32 next_serial; /* taken by user space under its lock; 0: unloading, there is none */
	__u64 loaded_ns; /* CLOCK_BOOTTIME */
	__u64 loader_cgroup_level; /* depth of the cgroup that holds the environments' */
	__u32 agent_port; /* TCP port of the agent on the host, 0: none */
	__u32 slot_bound; /* no environment has this slot or a later one; under the same lock */
	__u64 orphaned; /* refusals of tasks whose environment's record is gone; by the kernel */
	__u64 flags; /* enum bh_meta_flags; by the kernel */
	__u32 governed; /* 0: no environment has BH_ENV_GOVERNED; by user space */
	__u32 pad;
	__u64 last_exec; /* number of the last exec, 0: there was none; by user space, atomically */
};
BH_ASSERT_SIZE(struct bh_meta, 64);

enum bh_meta_flags {
	/* Reading cpu.stat adds up the counts of all controllers; known after the first pass. */
	BH_META_FLUSHED_TOGETHER = 1 << 0,
};

#include "bpf/wire_execs.h"
#include "bpf/wire_guard.h"

#endif
