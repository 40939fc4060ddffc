/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sysctls that a policy names. A sysctl is told by its names from the root of a procfs down, which
 * nobody can change: whichever procfs, mount, link or descriptor led there, they are the same. That
 * it belongs to the environment alone is told by the namespace that it is in.
 */
#ifndef BULKHEAD_SYSCTLS_BPF_H
#define BULKHEAD_SYSCTLS_BPF_H

#include "bpf/tree.bpf.h"

/* Global, so that the verifier looks at it once. As bh_find_name(), for sysctls. */
__weak __noinline int bh_find_sysctl(struct bh_walk *walk)
{
	if (!walk || bh_walk_up(walk) || bh_find_root(walk, BH_ROOT_PROC))
		return -1;
	return bh_walk_down(walk);
}

/*
 * BH_NODE_SYSCTL of what the rows say about request->path; 0: nothing, or it cannot be told. Asked
 * to make a name in a directory (`values[0]`), which procfs never does, as it is where an open file
 * may be new: true for the directories that lead to what is given.
 */
static __always_inline __u32 bh_rows_give_sysctl(struct bh_request *request)
{
	struct bh_walk *walk = bpf_task_storage_get(&bh_walks, bpf_get_current_task_btf(), NULL,
						    BPF_LOCAL_STORAGE_GET_F_CREATE);
	int found;

	if (!walk)
		return 0;
	walk->policy.label = request->label;
	walk->policy.generation = BH_CONTROL_GENERATION(request->control);
	walk->policy.pad = 0;
	walk->dentry = (__u64)request->path;
	found = bh_find_sysctl(walk);
	if (found < 0 || (!found && !(walk->node.flags & BH_NODE_BENEATH)))
		return 0;
	return request->values[0] ? BH_NODE_SYSCTL : walk->node.flags & BH_NODE_SYSCTL;
}

/* The tables that a sysctl of a namespace is in are the namespace's. */
static __always_inline struct ctl_table_set *bh_set_of_sysctl(struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct proc_inode *proc =
		(void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);

	return BPF_CORE_READ(proc, sysctl, set);
}

/*
 * True when writing it changes nothing but a namespace that the environment made: the writer's, and
 * the one in which the file was found.
 */
static __always_inline bool bh_sysctl_is_own(struct bh_environment *env, struct dentry *dentry,
					     __u32 kind)
{
	struct nsproxy *writer = BPF_CORE_READ(bpf_get_current_task_btf(), nsproxy);
	struct ctl_table_set *set = bh_set_of_sysctl(dentry);

	if (kind == BH_NODE_NET) {
		struct net *net = BPF_CORE_READ(writer, net_ns);

		return (void *)set == (void *)net + bpf_core_field_offset(struct net, sysctls) &&
		       bh_user_ns_is_own(env, BPF_CORE_READ(net, user_ns));
	}
	if (kind == BH_NODE_IPC) {
		struct ipc_namespace *ipc = BPF_CORE_READ(writer, ipc_ns);
		void *queues = (void *)ipc + bpf_core_field_offset(struct ipc_namespace, mq_set);
		void *rest = (void *)ipc + bpf_core_field_offset(struct ipc_namespace, ipc_set);

		return ((void *)set == queues || (void *)set == rest) &&
		       bh_user_ns_is_own(env, BPF_CORE_READ(ipc, user_ns));
	}
	/* One table for all, which reads and writes what is the task's. */
	return kind == BH_NODE_UTS &&
	       bh_user_ns_is_own(env, BPF_CORE_READ(writer, uts_ns, user_ns));
}

/* True when one policy entire gives request->path, by the word that the request has. Global. */
__weak __noinline int bh_gives_sysctl(struct bh_request *request)
{
	struct bh_environment *env;
	__u32 slot;
	int i;

	if (!request)
		return 0;
	slot = request->label.slot;
	env = bpf_map_lookup_elem(&bh_envs, &slot);
	for (i = 0; i < BH_MAX_TRIES && env && request->label.serial; i++) {
		struct bh_policy *policy = bh_policy_by(request->label, request->control);
		__u32 kind = 0;

		if (policy && policy->flags & BH_POLICY_SYSCTLS)
			kind = bh_rows_give_sysctl(request);
		if (bh_request_is_current(request))
			return kind &&
			       (request->values[0] || bh_sysctl_is_own(env, request->path, kind));
	}
	return 0;
}

static __always_inline bool bh_may_write_sysctl(struct bh_subject *subject, struct dentry *dentry,
						bool names)
{
	struct bh_request request = { .path = dentry, .values = { names } };

	if (!subject->env)
		return false;
	bh_sign(subject, &request);
	return bh_gives_sysctl(&request);
}

#endif
