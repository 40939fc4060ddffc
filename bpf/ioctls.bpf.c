// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls on devices, where a policy has a list of the kinds that take them. What a device does when
 * it is asked is its driver's, and no other hook sees it. Judged is the device that was opened,
 * whatever its node is called; files that are no devices are not asked about.
 */
#include "bpf/refuse.bpf.h"
#include "bpf/decide_surface.h"

/* True when one policy entire refuses it: `request` has what that policy says. */
static __noinline int bh_takes_no_ioctl(struct bh_subject *subject, struct bh_request *request)
{
	__u32 rdev, is_block, rule;
	int i;

	if (!subject || !request)
		return 1;
	rdev = request->values[0];
	is_block = (request->values[2] & S_IFMT) == S_IFBLK;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		struct bh_policy *policy = bh_policy_of(subject);
		bool refused = policy ? bh_refuses_ioctl(policy, rdev, is_block) : !subject->env;

		if (refused && policy) {
			rule = policy->ioctl_rule;
			request->flags = bh_settle(subject, BH_CLASS_DEVICES, &rule);
			if (policy->flags & BH_POLICY_IOCTLS_AUDITED)
				request->flags |= BH_REFUSAL_AUDITED;
			request->rule = rule;
		}
		if (bh_is_current(subject))
			return refused;
		bh_subject_resolve(subject);
	}
	request->rule = 0;
	request->flags = BH_REQUEST_SETTLED | BH_REFUSAL_INTERNAL;
	return 1;
}

static __always_inline int bh_check_device(struct file *file, unsigned int cmd, __u16 hook)
{
	struct inode *inode = file->f_inode;
	__u32 kind = inode->i_mode & S_IFMT;
	struct bh_subject subject;

	if ((kind != S_IFCHR && kind != S_IFBLK) || !bh_subject_current(&subject))
		return 0;
	if (subject.env && !(subject.env->flags & BH_ENV_IOCTLS))
		return 0;

	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_DEVICES,
		.object_kind = BH_OBJECT_IOCTL,
		.values = { inode->i_rdev, cmd, inode->i_mode,
			    bh_device_kind_of(inode->i_rdev, kind == S_IFBLK) },
		.path = file->f_path.dentry,
	};
	if (!bh_takes_no_ioctl(&subject, &request))
		return 0;
	return bh_decide(&subject, &request, -EPERM);
}

SEC("lsm/file_ioctl")
int BPF_PROG(bh_ioctl_kind, struct file *file, unsigned int cmd)
{
	return bh_check_device(file, cmd, BH_HOOK_file_ioctl);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(bh_ioctl_kind32, struct file *file, unsigned int cmd)
{
	return bh_check_device(file, cmd, BH_HOOK_file_ioctl_compat);
}
