// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beancounters: how many files and sockets an environment may have made that live, whoever holds
 * them now. Attached while an environment has a bound on what they count.
 *
 * A file is the kernel's file object: what open, pipe, socket, accept, epoll_create and the like
 * make; dup, fork and passing it on make none. On overlayfs the file beneath is one more.
 *
 * A socket is what a process has a descriptor of: made by socket, socketpair or accept. A
 * connection that nobody accepted yet is bounded by its listener's backlog.
 *
 * A pseudo-terminal is what an open of ptmx makes, and lives as long as that file.
 *
 * Tasks are counted and bounded by the kernel (pids.max); its refusal is explained, and its count
 * looked at where there is a barrier.
 */
#include "bpf/beancounters.bpf.h"
#include "bpf/own_cgroup.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int bh_charge_file(struct file *file)
{
	struct bh_subject subject;
	struct bh_object object = {
		.address = (__u64)file,
		.counter = BH_BEANCOUNTER_NUMFILE,
		.hook = BH_HOOK_file_alloc_security,
	};

	if (!bh_subject_current(&subject))
		return 0;
	return bh_charge_object(&subject, object, -ENFILE);
}

/* When this refuses, the kernel goes on to file_free_security, which finds no row. */
SEC("lsm/file_alloc_security")
int BPF_PROG(bh_bc_file, struct file *file)
{
	return bh_charge_file(file);
}

/*
 * The same where no program attaches to that hook (7.2). The kernel does not run a tracing program
 * on a CPU where it runs already: a file that is made while another task was preempted within
 * these instructions is not counted.
 */
SEC("fmod_ret/security_file_alloc")
int BPF_PROG(bh_bc_file_mod, struct file *file)
{
	return bh_charge_file(file);
}

SEC("lsm/file_free_security")
int BPF_PROG(bh_bc_file_end, struct file *file)
{
	bh_uncharge_object((__u64)file);
	return 0;
}

/*
 * A pseudo-terminal is charged to the file of its master end, which numfile may count too: the
 * addresses of files are even.
 */
static __always_inline __u64 bh_terminal_key(struct file *file)
{
	return (__u64)file + 1;
}

/* The last program that is asked before the terminal is made. */
SEC("lsm/file_open")
int BPF_PROG(bh_bc_pty, struct file *file)
{
	struct inode *inode = file->f_inode;
	struct bh_subject subject;
	struct bh_object object = {
		.counter = BH_BEANCOUNTER_NUMPTY,
		.hook = BH_HOOK_file_open,
	};

	if ((inode->i_mode & S_IFMT) != S_IFCHR || !bh_is_terminal_maker(inode->i_rdev) ||
	    !bh_subject_current(&subject))
		return 0;
	object.address = bh_terminal_key(file);
	return bh_charge_object(&subject, object, -ENOSPC);
}

/* Also of an open that failed afterwards. */
SEC("lsm/file_free_security")
int BPF_PROG(bh_bc_pty_end, struct file *file)
{
	bh_uncharge_object(bh_terminal_key(file));
	return 0;
}

/* A socket goes with its inode, which has it whether it got a descriptor or not. */
static __always_inline __u64 bh_socket_inode(struct socket *sock)
{
	return (__u64)sock + bpf_core_field_offset(struct socket_alloc, vfs_inode) -
	       bpf_core_field_offset(struct socket_alloc, socket);
}

/* Also each end of a socketpair. The kernel releases a socket that is refused here. */
SEC("lsm/socket_post_create")
int BPF_PROG(bh_bc_sock, struct socket *sock, int family, int type, int protocol, int kern)
{
	struct bh_subject subject;
	struct bh_object object = { .hook = BH_HOOK_socket_post_create };

	if (kern || !bh_subject_current(&subject))
		return 0;
	object.address = bh_socket_inode(sock);
	object.counter = bh_socket_counter(family, type, protocol);
	return bh_charge_object(&subject, object, -ENOBUFS);
}

/* Before a connection is taken from the queue: refused, it stays there. */
SEC("lsm/socket_accept")
int BPF_PROG(bh_bc_accept, struct socket *sock, struct socket *newsock)
{
	struct bh_subject subject;
	struct bh_object object = { .hook = BH_HOOK_socket_accept };
	struct sock *sk = sock->sk;

	if (!sk || !bh_subject_current(&subject))
		return 0;
	object.address = bh_socket_inode(newsock);
	object.counter =
		bh_socket_counter(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol);
	return bh_charge_object(&subject, object, -ENOBUFS);
}

SEC("lsm/inode_free_security")
int BPF_PROG(bh_bc_sock_end, struct inode *inode)
{
	if ((inode->i_mode & S_IFMT) == S_IFSOCK)
		bh_uncharge_object((__u64)inode);
	return 0;
}

/* The kernel's count has the new task already. */
static __always_inline void bh_watch_tasks(struct bh_subject *subject,
					   struct bh_beancounter *counter,
					   struct bh_request *request)
{
	struct pids_cgroup *pids;
	struct cgroup *cgroup;
	__u64 before, held;

	if (!subject->env)
		return;
	cgroup = bh_own_cgroup(bpf_get_current_task_btf(), subject->env->cgroup_id);
	pids = cgroup ? (void *)bh_subsystem_of(cgroup, pids) : NULL;
	if (!pids)
		return;
	held = BPF_CORE_READ(pids, counter.counter);
	before = bh_tasks_before(__sync_lock_test_and_set(&counter->held, held), held);
	if (!bh_passes_barrier(counter, before, held))
		return;
	request->flags = BH_REFUSAL_WARNED;
	request->values[1] = held;
	bh_note(subject, counter, request);
}

/* Of the controllers that are asked here, only that of pids answers EAGAIN. */
SEC("fexit/cgroup_can_fork")
int BPF_PROG(bh_bc_fork, struct task_struct *child, struct kernel_clone_args *arguments, int result)
{
	struct bh_subject subject;
	struct bh_beancounter *counter;
	struct bh_request request = {
		.hook = BH_HOOK_cgroup_can_fork,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.error = -EAGAIN,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { BH_BEANCOUNTER_NUMPROC },
	};

	if ((result && result != -EAGAIN) || !bh_subject_current(&subject))
		return 0;
	counter = bh_beancounter_of(&subject.label, BH_BEANCOUNTER_NUMPROC);
	if (!counter)
		return 0;
	if (!result) {
		if (bh_has_barrier(counter))
			bh_watch_tasks(&subject, counter, &request);
		return 0;
	}
	/* What the kernel counts stands there, or it would not refuse. */
	counter->held = counter->limit;
	request.values[1] = counter->held;
	bh_note(&subject, counter, &request);
	return 0;
}
