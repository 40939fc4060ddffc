// SPDX-License-Identifier: GPL-2.0-only
/*
 * What keeps the fence standing against the host's own tasks, where an administrator asked for it:
 * our maps and programs are opened, our pins reached, our agent signalled and our processes traced
 * by our own executables only. Those are told by the inode that a process executes: not by a name,
 * and not by a path, which can be mounted over. While they are told so, nobody writes to, removes
 * or renames that inode.
 *
 * A link has no hook of its own: it is reached by its id (bpf()) or below the directory of pins.
 */
#include "bpf/kernel.bpf.h"
#include "bpf/decide.h"
#include "bpf/mount.bpf.h"

#define ENOSYS 38
#define BH_MAY_WRITE 2
#define BH_PTRACE_MODE_ATTACH 2
#define BH_PR_SET_MM 35
#define BH_PR_SET_MM_EXE_FILE 13
#define BH_PR_SET_MM_MAP 14

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_guard);
} bh_guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_GUARD_MAX_OWNED);
	__type(key, struct bh_guard_object);
	__type(value, __u64);
} bh_guard_owned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_guard_log);
} bh_guard_log SEC(".maps");

/* The fence's own: who has a label is never one of us, whatever it executes. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_task);
} bh_tasks SEC(".maps");

/* NULL: nothing is protected. */
static __always_inline struct bh_guard *bh_armed(void)
{
	__u32 zero = 0;
	struct bh_guard *guard = bpf_map_lookup_elem(&bh_guard, &zero);

	return guard && *(volatile __u32 *)&guard->armed ? guard : NULL;
}

static __always_inline void bh_identify(struct inode *inode, struct bh_guard_file *file)
{
	file->ino = BPF_CORE_READ(inode, i_ino);
	file->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	file->generation = BPF_CORE_READ(inode, i_generation);
}

static __always_inline bool bh_same_file(const struct bh_guard_file *a,
					 const struct bh_guard_file *b)
{
	return a->ino && a->ino == b->ino && a->dev == b->dev && a->generation == b->generation;
}

static __always_inline bool bh_is_among(struct inode *inode, const struct bh_guard_file *files,
					int count)
{
	struct bh_guard_file file = {};
	int i;

	if (!inode)
		return false;
	bh_identify(inode, &file);
	for (i = 0; i < count; i++)
		if (bh_same_file(&files[i], &file))
			return true;
	return false;
}

static __always_inline struct inode *bh_executed(struct task_struct *task)
{
	return BPF_CORE_READ(task, mm, exe_file, f_inode);
}

/* Whoever is traced does what the tracer wants. */
static __always_inline bool bh_is_ours(struct bh_guard *guard)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bh_task *label;

	if (task->ptrace ||
	    !bh_is_among(bh_executed(task), guard->executables, BH_GUARD_EXECUTABLES))
		return false;
	label = bpf_task_storage_get(&bh_tasks, task, NULL, 0);
	return !label || !label->label.serial;
}

static __always_inline int bh_guard_refuse(__u32 hook, __u64 object)
{
	__u32 zero = 0;
	struct bh_guard_log *log = bpf_map_lookup_elem(&bh_guard_log, &zero);
	struct bh_guard_refusal *row;
	__u64 count;

	if (!log || hook >= BH_GUARD_HOOK_COUNT)
		return -EPERM;
	__sync_fetch_and_add(&log->refused[hook], 1);
	count = __sync_fetch_and_add(&log->count, 1);
	row = &log->last[count % BH_GUARD_REFUSALS];
	row->time_ns = bpf_ktime_get_boot_ns();
	row->object = object;
	row->pid = bpf_get_current_pid_tgid() >> 32;
	row->uid = (__u32)bpf_get_current_uid_gid();
	row->hook = hook;
	bpf_get_current_comm(row->comm, sizeof(row->comm));
	return -EPERM;
}

static __always_inline int bh_check_object(__u32 kind, __u32 id, __u32 hook)
{
	struct bh_guard_object object = { .kind = kind, .id = id };
	struct bh_guard *guard = bh_armed();

	if (!guard || !bpf_map_lookup_elem(&bh_guard_owned, &object) || bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(hook, id);
}

/* A descriptor of a map, by its id or its pin. */
SEC("lsm/bpf_map")
int BPF_PROG(bh_g_map, struct bpf_map *map)
{
	return bh_check_object(BH_GUARD_MAP, map->id, BH_GUARD_bpf_map);
}

SEC("lsm/bpf_prog")
int BPF_PROG(bh_g_prog, struct bpf_prog *prog)
{
	return bh_check_object(BH_GUARD_PROGRAM, prog->aux->id, BH_GUARD_bpf_prog);
}

SEC("lsm/bpf")
int BPF_PROG(bh_g_bpf, int cmd, union bpf_attr *attr)
{
	if (cmd != BPF_LINK_GET_FD_BY_ID)
		return 0;
	return bh_check_object(BH_GUARD_LINK, BPF_CORE_READ(attr, link_id), BH_GUARD_bpf);
}

/* kernel.ftrace_enabled: at 0 no program of any LSM hook runs, nor any of ours elsewhere. */
static __always_inline bool bh_is_ftrace_switch(struct inode *inode)
{
	static const char name[] = "ftrace_enabled";
	char found[sizeof(name)] = {};
	struct proc_inode *proc;
	int i;

	if (inode->i_sb->s_magic != BH_MAGIC_PROC)
		return false;
	proc = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	bpf_probe_read_kernel_str(found, sizeof(found),
				  BPF_CORE_READ(proc, sysctl_entry, procname));
	for (i = 0; i < (int)sizeof(name); i++)
		if (found[i] != name[i])
			return false;
	return true;
}

/*
 * The way to a pin leads through the directories: to open it, remove it, give it another name or
 * mount it elsewhere. Written is neither what we are made of nor the switch that turns us off.
 */
SEC("lsm/inode_permission")
int BPF_PROG(bh_g_place, struct inode *inode, int mask)
{
	struct bh_guard *guard;
	bool reached;

	if (inode->i_sb->s_magic != BH_MAGIC_BPF && !(mask & BH_MAY_WRITE))
		return 0;
	guard = bh_armed();
	if (!guard)
		return 0;
	reached = bh_is_among(inode, guard->places, BH_GUARD_PLACES) ||
		  (mask & BH_MAY_WRITE &&
		   (bh_is_among(inode, guard->executables, BH_GUARD_EXECUTABLES) ||
		    bh_is_ftrace_switch(inode)));
	if (!reached || bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(BH_GUARD_inode_permission, inode->i_ino);
}

static __always_inline bool bh_is_guarded(struct bh_guard *guard, struct inode *inode)
{
	return bh_is_among(inode, guard->places, BH_GUARD_PLACES) ||
	       bh_is_among(inode, guard->executables, BH_GUARD_EXECUTABLES);
}

/* What was there under the new name goes. */
SEC("lsm/inode_rename")
int BPF_PROG(bh_g_rename, struct inode *from, struct dentry *old, struct inode *to,
	     struct dentry *replaced)
{
	struct inode *moved = BPF_CORE_READ(old, d_inode);
	struct bh_guard *guard = bh_armed();

	if (!guard)
		return 0;
	if (!bh_is_guarded(guard, moved) && !bh_is_guarded(guard, BPF_CORE_READ(replaced, d_inode)))
		return 0;
	if (bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(BH_GUARD_inode_rename, BPF_CORE_READ(moved, i_ino));
}

/* Another file could get the number of one that is gone. */
SEC("lsm/inode_unlink")
int BPF_PROG(bh_g_unlink, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct bh_guard *guard = bh_armed();

	if (!guard || !bh_is_among(inode, guard->executables, BH_GUARD_EXECUTABLES) ||
	    bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(BH_GUARD_inode_unlink, BPF_CORE_READ(inode, i_ino));
}

/* The machine's first process stops services, and ends all when the machine goes down. */
SEC("lsm/task_kill")
int BPF_PROG(bh_g_kill, struct task_struct *target, struct kernel_siginfo *info, int sig)
{
	struct bh_guard *guard = bh_armed();

	if (!guard || !sig || bpf_get_current_pid_tgid() >> 32 == 1)
		return 0;
	if (!bh_is_among(bh_executed(target), &guard->executables[BH_GUARD_AGENT], 1) ||
	    bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(BH_GUARD_task_kill, target->tgid);
}

/* Also /proc/PID/mem, process_vm_writev and pidfd_getfd. Reading what ps shows is not attaching. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(bh_g_trace, struct task_struct *target, unsigned int mode)
{
	struct bh_guard *guard = bh_armed();

	if (!guard || !(mode & BH_PTRACE_MODE_ATTACH) ||
	    !bh_is_among(bh_executed(target), guard->executables, BH_GUARD_EXECUTABLES) ||
	    bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(BH_GUARD_ptrace_access_check, target->tgid);
}

/* Whoever may set the file that it executes could say that it is one of us. */
SEC("lsm/task_prctl")
int BPF_PROG(bh_g_prctl, int option, unsigned long which)
{
	struct bh_guard *guard;

	if (option != BH_PR_SET_MM || (which != BH_PR_SET_MM_EXE_FILE && which != BH_PR_SET_MM_MAP))
		return -ENOSYS;
	guard = bh_armed();
	if (!guard)
		return -ENOSYS;
	return bh_guard_refuse(BH_GUARD_task_prctl, which);
}

/*
 * What happens to this mount happens in the host's mount namespace, there or by propagation.
 * Services that look at the machine through a namespace of their own change it there.
 */
static __always_inline bool bh_is_seen_by_host(struct bh_guard *guard, struct vfsmount *mnt)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mount *mount = bh_mount_of(mnt);

	return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == guard->mnt_ns ||
	       BPF_CORE_READ(mount, mnt_group_id) || BPF_CORE_READ(mount, mnt_parent, mnt_group_id);
}

/* The file system that our pins are on is not hidden by another, moved away or made read-only. */
static __always_inline int bh_check_mount(struct vfsmount *mnt, __u32 hook)
{
	struct super_block *sb = BPF_CORE_READ(mnt, mnt_sb);
	struct bh_guard *guard;

	if (BPF_CORE_READ(sb, s_magic) != BH_MAGIC_BPF)
		return 0;
	guard = bh_armed();
	if (!guard || BPF_CORE_READ(sb, s_dev) != guard->places[0].dev ||
	    !bh_is_seen_by_host(guard, mnt) || bh_is_ours(guard))
		return 0;
	return bh_guard_refuse(hook, guard->places[0].dev);
}

SEC("lsm/sb_umount")
int BPF_PROG(bh_g_umount, struct vfsmount *mnt)
{
	return bh_check_mount(mnt, BH_GUARD_sb_umount);
}

SEC("lsm/sb_mount")
int BPF_PROG(bh_g_mount, const char *source, const struct path *path)
{
	return bh_check_mount(path->mnt, BH_GUARD_sb_mount);
}

SEC("lsm/move_mount")
int BPF_PROG(bh_g_move, const struct path *from, const struct path *to)
{
	int refused = bh_check_mount(to->mnt, BH_GUARD_move_mount);

	return refused ? refused : bh_check_mount(from->mnt, BH_GUARD_move_mount);
}

/* Run by whoever protects: only the kernel knows a file as it will compare it. */
SEC("syscall")
int bh_g_note(struct bh_guard_note *note)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;

	note->file.ino = 0;
	if (note->fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), files + note->fd);
	if (file)
		bh_identify(BPF_CORE_READ(file, f_inode), &note->file);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
