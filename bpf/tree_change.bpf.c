// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of [files] where names and attributes change: making, removing and changing need the
 * right to write at the very place. What the rules name stays where it is: nothing is moved or
 * linked to where other rights hold, no directory moves that is a node or would become one. That is
 * EXDEV, so that mv copies, and the copy has the rights of its place.
 *
 * The path hooks are not called by overlayfs for its own layers; the inode hooks are, with
 * credentials of overlayfs's own, which no system call that ends here can put on.
 */
#include "bpf/tree_ask.bpf.h"

static __always_inline bool bh_has_rules(struct bh_subject *subject, struct dentry *dentry)
{
	return !(dentry->d_sb->s_flags & SB_NOUSER) && subject->env;
}

/* One name, or the two that a link, a new name or an exchange is about. */
struct bh_names {
	struct dentry *from;
	struct dentry *to;
	struct bh_found at_from;
	struct bh_found at_to;
	bool judged_to; /* what refuses it holds at `to` */
};

static __always_inline int bh_find(struct bh_walk *walk, struct dentry *dentry,
				   struct bh_found *found)
{
	int is_node;

	walk->dentry = (__u64)dentry;
	is_node = bh_find_name(walk);
	found->is_node = is_node > 0;
	found->node = walk->node;
	return is_node;
}

static __noinline int bh_find_once(struct bh_subject *subject, struct bh_names *names)
{
	struct bh_walk *walk = bh_begin_walk(subject);

	if (!walk || bh_find(walk, names->from, &names->at_from) < 0)
		return -1;
	return names->to && bh_find(walk, names->to, &names->at_to) < 0 ? -1 : 0;
}

/* 0, or -1: cannot be told. Both names by one generation. */
static __noinline int bh_find_names(struct bh_subject *subject, struct bh_names *names)
{
	int attempt, error;

	for (attempt = 0; attempt < BH_MAX_ATTEMPTS && subject->env; attempt++) {
		error = bh_find_once(subject, names);
		if (bh_is_published(subject))
			return error;
		bh_subject_resolve(subject);
	}
	return -1;
}

/* 0 or a negative errno: whether the rules give `ask->rights` at the dentry. */
static __noinline int bh_check_path(struct bh_subject *subject, struct dentry *dentry,
				    struct bh_ask *ask)
{
	struct bh_names names = { .from = dentry };
	struct bh_found *at = &names.at_from;

	if (bh_class_of_rights(subject->control, ask->rights) < 0)
		return 0;
	if (bh_find_names(subject, &names))
		at = NULL;
	else if ((at->node.rights & ask->rights) == ask->rights)
		return 0;
	return bh_refuse_path(subject, dentry, ask, at);
}

static __noinline int bh_check_write(struct dentry *dentry, __u16 hook)
{
	struct bh_ask ask = { .hook = hook, .error = EPERM, .rights = BH_RIGHT_WRITE };
	struct bh_subject subject;

	if (!bh_subject_has_tree(&subject) || !bh_has_rules(&subject, dentry))
		return 0;
	return bh_check_path(&subject, dentry, &ask);
}

SEC("lsm/path_mknod")
int BPF_PROG(bh_tree_mknod, const struct path *dir, struct dentry *dentry)
{
	return bh_check_write(dentry, BH_HOOK_path_mknod) ? -EPERM : 0;
}

SEC("lsm/path_mkdir")
int BPF_PROG(bh_tree_mkdir, const struct path *dir, struct dentry *dentry)
{
	return bh_check_write(dentry, BH_HOOK_path_mkdir) ? -EPERM : 0;
}

SEC("lsm/path_rmdir")
int BPF_PROG(bh_tree_rmdir, const struct path *dir, struct dentry *dentry)
{
	return bh_check_write(dentry, BH_HOOK_path_rmdir) ? -EPERM : 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(bh_tree_unlink, const struct path *dir, struct dentry *dentry)
{
	return bh_check_write(dentry, BH_HOOK_path_unlink) ? -EPERM : 0;
}

SEC("lsm/path_symlink")
int BPF_PROG(bh_tree_symlink, const struct path *dir, struct dentry *dentry)
{
	return bh_check_write(dentry, BH_HOOK_path_symlink) ? -EPERM : 0;
}

SEC("lsm/path_truncate")
int BPF_PROG(bh_tree_trunc, const struct path *path)
{
	return bh_check_write(path->dentry, BH_HOOK_path_truncate) ? -EPERM : 0;
}

static __always_inline bool bh_is_directory(struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	return inode && (inode->i_mode & S_IFMT) == S_IFDIR;
}

/*
 * Of a directory what was found for it is kept on its inode, with all that lies beneath; so it may
 * be no node, neither before nor after.
 */
static __always_inline bool bh_may_move(struct bh_names *names)
{
	if (names->at_from.node.rights != names->at_to.node.rights)
		return false;
	if (!names->at_from.is_node && !names->at_to.is_node)
		return true;
	return !bh_is_directory(names->from) && !bh_is_directory(names->to);
}

/* The errno that refuses it, or 0; `by`: what holds where it is refused. */
static __always_inline int bh_judge_names(struct bh_subject *subject, struct bh_names *names,
					  __u16 hook, struct bh_found *by)
{
	bool writing = BH_CONTROL_REFUSES(subject->control, BH_CLASS_PATHS);

	*by = names->at_from;
	if (writing && hook == BH_HOOK_path_rename && !(by->node.rights & BH_RIGHT_WRITE))
		return EPERM;
	if (writing && !(names->at_to.node.rights & BH_RIGHT_WRITE)) {
		*by = names->at_to;
		names->judged_to = true;
		return EPERM;
	}
	if (names->at_to.node.rule)
		*by = names->at_to;
	return bh_may_move(names) ? 0 : EXDEV;
}

/* The hash of its path; 0: none could be had. */
static __noinline __u64 bh_learn_name(struct bh_subject *subject, struct dentry *dentry, __u16 hook)
{
	struct inode *inode = dentry->d_inode;
	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_PATHS,
		.object_kind = BH_OBJECT_FILE,
		.values = { dentry->d_sb->s_dev, 0, 0, BH_RIGHT_WRITE },
		.path = dentry,
	};
	struct bh_lesson *lesson;

	if (inode) {
		request.values[1] = inode->i_ino;
		request.values[2] = inode->i_mode;
	}
	bh_sign(subject, &request);
	if (bh_learn(&request))
		return 0;
	lesson = bh_lesson_of_task(0);
	return lesson ? lesson->key.object[0] : 0;
}

/* That these two, of which bh_learn_name() told, are of one act. */
static __noinline int bh_learn_move(struct bh_subject *subject, __u64 from, __u64 to, __u16 hook)
{
	struct bh_request request = {
		.hook = hook,
		.class_id = BH_CLASS_PATHS,
		.object_kind = BH_OBJECT_MOVE,
		.values = { from, to },
	};

	bh_sign(subject, &request);
	return bh_learn(&request);
}

/*
 * True when the act is learned instead of judged: a policy that allows it gives the same rights at
 * both names, so that both are kept, and which belong together.
 */
static __noinline int bh_learn_names(struct bh_subject *subject, struct bh_names *names, __u16 hook)
{
	__u64 from, to;
	__u32 rule = 0;

	if (!subject->state || !BH_CONTROL_REFUSES(subject->control, BH_CLASS_PATHS) ||
	    !(bh_settle(subject, BH_CLASS_PATHS, &rule) & BH_REFUSAL_LEARNED) ||
	    !bh_is_current(subject))
		return 0;
	from = bh_learn_name(subject, names->from, hook);
	to = bh_learn_name(subject, names->to, hook);
	bh_learn_move(subject, from, to, hook);
	return 1;
}

/* 0, or a negative errno: a link to `from`, or its new name, or an exchange of the two. */
static __noinline int bh_check_names(struct dentry *from, struct dentry *to, __u16 hook)
{
	struct bh_names names = { .from = from, .to = to };
	struct bh_ask ask = { .hook = hook, .rights = BH_RIGHT_WRITE };
	struct bh_found by = {}, *known = NULL;
	struct bh_subject subject;

	if (!bh_subject_has_tree(&subject) || !bh_has_rules(&subject, from) ||
	    bh_learn_names(&subject, &names, hook))
		return 0;
	/* Asked by whichever class there is. */
	if (!BH_CONTROL_REFUSES(subject.control, BH_CLASS_PATHS))
		ask.rights = BH_RIGHT_EXECUTE;
	ask.error = EPERM;
	if (!bh_find_names(&subject, &names)) {
		ask.error = bh_judge_names(&subject, &names, hook, &by);
		if (!ask.error)
			return 0;
		known = &by;
	}
	return bh_refuse_path(&subject, names.judged_to ? to : from, &ask, known);
}

/* What the kernel sees of the verdict has to be a constant. */
static __always_inline int bh_constant(int error)
{
	if (error == -EXDEV)
		return -EXDEV;
	return error ? -EPERM : 0;
}

SEC("lsm/path_link")
int BPF_PROG(bh_tree_link, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry)
{
	return bh_constant(bh_check_names(old_dentry, new_dentry, BH_HOOK_path_link));
}

/* Also an exchange: what is asked about one name is asked about the other. */
SEC("lsm/path_rename")
int BPF_PROG(bh_tree_rename, const struct path *old_dir, struct dentry *old_dentry,
	     const struct path *new_dir, struct dentry *new_dentry)
{
	return bh_constant(bh_check_names(old_dentry, new_dentry, BH_HOOK_path_rename));
}

static __always_inline int bh_check_attribute(struct dentry *dentry, __u16 hook)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->cred != task->real_cred)
		return 0;
	return bh_check_write(dentry, hook) ? -EPERM : 0;
}

const volatile bool bh_setattr_idmap = true; /* inode_setattr has an mnt_idmap first: from 6.8 */

/* The context is typed by what stands at a constant place: the verifier sees one branch only. */
SEC("lsm/inode_setattr")
int bh_tree_attr(__u64 *ctx)
{
	if (bh_setattr_idmap)
		return bh_check_attribute((struct dentry *)ctx[1], BH_HOOK_inode_setattr);
	return bh_check_attribute((struct dentry *)ctx[0], BH_HOOK_inode_setattr);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(bh_tree_setx, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_setxattr);
}

SEC("lsm/inode_removexattr")
int BPF_PROG(bh_tree_rmx, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_removexattr);
}

/* Before 6.2 ACLs came through inode_setxattr. */
SEC("lsm/inode_set_acl")
int BPF_PROG(bh_tree_acl, void *idmap, struct dentry *dentry)
{
	return bh_check_attribute(dentry, BH_HOOK_inode_set_acl);
}
