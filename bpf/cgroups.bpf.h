/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cgroups that an environment makes below its own, where its policy lets it. Its own cgroup's
 * limits stay out of reach, and so does every cgroup beside it.
 */
#ifndef BULKHEAD_CGROUPS_BPF_H
#define BULKHEAD_CGROUPS_BPF_H

#include "bpf/refuse.bpf.h"
#include "bpf/decide.h"

/* Deepest below an environment's cgroup; deeper is refused. */
#define BH_MAX_CGROUP_DEPTH 32

/* What is changed: names in a directory, or what was found there. */
enum bh_cgroup_change {
	BH_CGROUP_NAMES,
	BH_CGROUP_FILE,
};

/* Whether something may be changed. */
enum bh_cgroup_verdict {
	BH_CGROUP_REFUSED,
	BH_CGROUP_REFUSED_OWN, /* a policy with BH_POLICY_OWN_CGROUPS would let it */
	BH_CGROUP_ALLOWED,
};

/*
 * How far below the directory of the environment's cgroup, 0: that one; -1: elsewhere. The number
 * of a cgroup's inode is its id.
 */
static __always_inline int bh_cgroup_depth(struct bh_environment *env, struct dentry *dentry)
{
	int depth;

	for (depth = 0; depth < BH_MAX_CGROUP_DEPTH; depth++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (BPF_CORE_READ(dentry, d_inode, i_ino) == env->cgroup_id)
			return depth;
		if (parent == dentry)
			return -1;
		dentry = parent;
	}
	return -1;
}

static __always_inline bool bh_cgroup_is_delegated(struct bh_environment *env,
						   struct dentry *dentry, __u32 change)
{
	char name[BH_CGROUP_FILE_BYTES] = {};
	int depth = bh_cgroup_depth(env, dentry);

	if (depth < 0 || change == BH_CGROUP_NAMES)
		return depth >= 0;
	if (depth != 1 || (BPF_CORE_READ(dentry, d_inode, i_mode) & S_IFMT) == S_IFDIR)
		return depth > 0;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	return bh_cgroup_file_is_delegated(name);
}

/* By one policy entire. */
static __noinline int bh_judge_cgroup(struct bh_subject *subject, struct dentry *dentry,
				      __u32 change)
{
	int i;

	if (!subject || !subject->env || BPF_CORE_READ(dentry, d_sb, s_magic) != BH_MAGIC_CGROUP2 ||
	    !bh_cgroup_is_delegated(subject->env, dentry, change))
		return BH_CGROUP_REFUSED;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_policy *policy = bh_policy_of(subject);
		bool allowed = policy && policy->flags & BH_POLICY_OWN_CGROUPS;

		if (bh_is_current(subject))
			return allowed ? BH_CGROUP_ALLOWED : BH_CGROUP_REFUSED_OWN;
		bh_subject_resolve(subject);
	}
	return BH_CGROUP_REFUSED;
}

#endif
