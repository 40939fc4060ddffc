// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's surface: calls that an environment has no use for and that reach, or have often
 * been made to reach, beyond it. Each is a class of its own, so that a policy can open one.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide_privilege.h"

/* False where uring_allowed exists and refuses a ring before it is made. */
const volatile bool bh_uring_by_name = true;

static __always_inline int bh_refuse_act(__u16 hook, __u8 class_id, __u64 number)
{
	struct bh_subject subject;

	if (!bh_subject_current(&subject))
		return 0;
	return bh_refuse_number(&subject, hook, class_id, number);
}

SEC("lsm/bpf")
int BPF_PROG(bh_bpf, int cmd)
{
	return bh_refuse_act(BH_HOOK_bpf, BH_CLASS_BPF, cmd);
}

SEC("lsm/perf_event_open")
int BPF_PROG(bh_perf)
{
	return bh_refuse_act(BH_HOOK_perf_event_open, BH_CLASS_PERF, 0);
}

/* What the kernel would load by itself because of what the task asked for. */
SEC("lsm/kernel_module_request")
int BPF_PROG(bh_mod_request, char *name)
{
	struct bh_subject subject;
	struct bh_request request = {
		.hook = BH_HOOK_kernel_module_request,
		.class_id = BH_CLASS_MODULES,
		.object_kind = BH_OBJECT_NUMBER,
		.name = name,
	};

	if (!bh_subject_current(&subject))
		return 0;
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/kernel_read_file")
int BPF_PROG(bh_read_file, struct file *file, int id)
{
	struct bh_subject subject;
	struct bh_request request = {
		.hook = BH_HOOK_kernel_read_file,
		.class_id = BH_CLASS_MODULES,
		.object_kind = BH_OBJECT_NUMBER,
		.values = { (__u32)id },
	};

	if (!bh_subject_current(&subject))
		return 0;
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/kernel_load_data")
int BPF_PROG(bh_load_data, int id)
{
	return bh_refuse_act(BH_HOOK_kernel_load_data, BH_CLASS_MODULES, (__u32)id);
}

SEC("lsm/uring_allowed")
int BPF_PROG(bh_uring)
{
	return bh_refuse_act(BH_HOOK_uring_allowed, BH_CLASS_IO_URING, 0);
}

/* Descriptors that are told apart by name only. */
SEC("lsm/inode_init_security_anon")
int BPF_PROG(bh_anon_inode, struct inode *inode, const struct qstr *qstr)
{
	struct bh_subject subject;
	char name[16] = {};
	int class_id;

	if (!bh_subject_current(&subject))
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), qstr->name);
	class_id = bh_anon_inode_class(name, bh_uring_by_name);
	if (class_id < 0)
		return 0;

	struct bh_request request = {
		.hook = BH_HOOK_inode_init_security_anon,
		.class_id = class_id,
		.object_kind = BH_OBJECT_NUMBER,
		.name = (const char *)qstr->name,
	};
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/userns_create")
int BPF_PROG(bh_userns)
{
	return bh_refuse_act(BH_HOOK_userns_create, BH_CLASS_USER_NAMESPACES, 0);
}

/* Reading the log is asked here also where dmesg_restrict asks for no capability. */
SEC("lsm/syslog")
int BPF_PROG(bh_syslog, int type)
{
	return bh_refuse_act(BH_HOOK_syslog, BH_CLASS_SYSLOG, type);
}

/* The class that refuses a capability: as one that reaches beyond, or as one that was not kept. */
static __always_inline int bh_class_of_capability(struct bh_subject *subject, int cap, int level)
{
	int class_id = bh_capability_class(subject->control, cap, level);
	struct bh_policy *policy;

	if (class_id >= 0 && BH_CONTROL_REFUSES(subject->control, class_id))
		return class_id;
	if (!BH_CONTROL_REFUSES(subject->control, BH_CLASS_DROPPED_CAPABILITIES))
		return BH_ALLOWED;
	policy = bh_policy_of(subject);
	if (policy && !bh_capability_is_dropped(policy->capabilities, cap))
		return BH_ALLOWED;
	return BH_CLASS_DROPPED_CAPABILITIES;
}

/* True when one policy entire refuses the capability in `request`, which is filled in then. */
static __noinline int bh_is_dropped(struct bh_subject *subject, struct bh_request *request,
				    int level)
{
	int i;

	if (!subject || !request)
		return 1;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		int class_id = bh_class_of_capability(subject, request->values[0], level);
		__u32 rule = 0;

		if (class_id >= 0) {
			request->class_id = class_id;
			request->flags = bh_settle(subject, class_id, &rule);
			request->rule = rule;
		}
		if (bh_is_current(subject))
			return class_id >= 0;
		bh_subject_resolve(subject);
	}
	request->class_id = BH_CLASS_CAPABILITIES;
	request->rule = 0;
	request->flags = BH_REQUEST_SETTLED | BH_REFUSAL_INTERNAL;
	return 1;
}

/*
 * Only the task's own credentials: overlayfs asks with those of its mounter. A question that the
 * kernel does not audit is only a question: refused without a row.
 */
SEC("lsm/capable")
int BPF_PROG(bh_capable, const struct cred *cred, struct user_namespace *ns, int cap,
	     unsigned int opts)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bh_subject subject;
	struct bh_request request = {
		.hook = BH_HOOK_capable,
		.object_kind = BH_OBJECT_NUMBER,
		.values = { cap, ns->level }, /* the depth tells which SYS_ADMIN it was */
	};

	if (!bh_subject_current(&subject) || cred != task->real_cred)
		return 0;
	if (!bh_is_dropped(&subject, &request, ns->level))
		return 0;
	if (!(opts & CAP_OPT_NOAUDIT))
		return bh_decide(&subject, &request, -EPERM);
	return request.flags & BH_REFUSAL_AUDITED ? 0 : -EPERM;
}
