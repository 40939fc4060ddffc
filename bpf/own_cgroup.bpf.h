/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a task to its environment's cgroup, and from a cgroup to its environment.
 */
#ifndef BULKHEAD_OWN_CGROUP_BPF_H
#define BULKHEAD_OWN_CGROUP_BPF_H

#include "bpf/identity.bpf.h"

#define BH_MAX_CGROUP_DEPTH 32

/* The environment's, above which the task may have made others. */
static __always_inline struct cgroup *bh_own_cgroup(struct task_struct *task, __u64 id)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	int depth;

	for (depth = 0; depth < BH_MAX_CGROUP_DEPTH && cgroup; depth++) {
		if (BPF_CORE_READ(cgroup, kn, id) == id)
			return cgroup;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return NULL;
}

#define bh_subsystem_of(cgroup, name)                                                              \
	BPF_CORE_READ(cgroup, subsys[bpf_core_enum_value(enum cgroup_subsys_id, name##_cgrp_id)])

/* False: it is not, or not any more, the cgroup of an environment that lives. */
static __always_inline bool bh_subject_of_cgroup(struct bh_subject *subject, struct cgroup *cgroup)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct bh_label *label = bpf_map_lookup_elem(&bh_cgroups, &id);

	if (!label)
		return false;
	subject->label = *label;
	bh_subject_resolve(subject);
	return subject->env && subject->env->cgroup_id == id;
}

#endif
