#include "bench/operations.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <map>

namespace bulkhead::bench {
namespace {

const std::map<std::string_view, std::string_view>& operations_by_hook() {
    static const std::map<std::string_view, std::string_view> kOperations = {
        {"__ia32_sys_flock", "lock_unlock"},
        {"__x64_sys_flock", "lock_unlock"},
        {"bpf", "bpf_call"},
        {"bprm_check_security", "exec"},
        {"bprm_creds_from_file", "exec"},
        {"capable", "capability_check"},
        {"cred_alloc_blank", "session_to_parent"},
        {"cgroup_can_fork", "fork_exit"},
        {"fcntl_setlk", "lock_unlock_record"},
        {"file_alloc_security", "open_close"},
        {"file_fcntl", "get_flags"},
        {"file_free_security", "open_close"},
        {"file_ioctl", "close_on_exec"},
        {"file_ioctl_compat", "close_on_exec_32"},
        {"file_lock", "lock_unlock"},
        {"file_mprotect", "protect_code"},
        {"file_open", "open_close"},
        {"file_permission", "read_file"},
        {"file_receive", "pass_descriptor"},
        {"inode_create", "create_unlink"},
        {"inode_free_security", "socket_close"},
        {"inode_getattr", "stat"},
        {"inode_getxattr", "get_xattr"},
        {"inode_init_security_anon", "userfaultfd"},
        {"inode_listxattr", "list_xattr"},
        {"inode_readlink", "read_link"},
        {"inode_removexattr", "set_remove_xattr"},
        {"inode_set_acl", "set_acl"},
        {"inode_rmdir", "mkdir_rmdir"},
        {"inode_setattr", "chmod"},
        {"inode_setxattr", "set_remove_xattr"},
        {"inode_unlink", "create_unlink"},
        {"ipc_permission", "shm_stat"},
        {"kernel_load_data", "init_module"},
        {"kernel_read_file", "finit_module"},
        {"key_alloc", "key_add"},
        {"key_permission", "key_describe"},
        {"locks_copy_lock", "lock_unlock"},
        {"locks_unlink_lock_ctx", "lock_unlock"},
        {"mmap_file", "mmap_code"},
        {"move_mount", "move_mount"},
        {"msg_queue_alloc_security", "msg_make_remove"},
        {"msg_queue_free_security", "msg_make_remove"},
        {"msg_queue_msgctl", "msg_stat"},
        {"net_dev_start_xmit", "tcp_send_receive"},
        {"net_dev_xmit", "tcp_send_receive"},
        {"netif_receive_skb", "tcp_send_receive"},
        {"path_chmod", "chmod"},
        {"path_chown", "chown"},
        {"path_link", "link_unlink"},
        {"path_mkdir", "mkdir_rmdir"},
        {"path_mknod", "create_unlink"},
        {"path_notify", "watch"},
        {"path_rename", "rename"},
        {"path_rmdir", "mkdir_rmdir"},
        {"path_symlink", "symlink_unlink"},
        {"path_truncate", "truncate"},
        {"path_unlink", "create_unlink"},
        {"perf_event_open", "perf_event"},
        {"ptrace_access_check", "read_memory"},
        {"ptrace_traceme", "fork_traceme"},
        {"sb_mount", "mount_change"},
        {"sb_pivotroot", "pivot_root"},
        {"sb_remount", "remount"},
        {"sb_umount", "mount_umount"},
        {"sched_process_exit", "fork_exit"},
        {"sched_switch", "context_switch"},
        {"sem_alloc_security", "sem_make_remove"},
        {"sem_free_security", "sem_make_remove"},
        {"sem_semctl", "sem_stat"},
        {"security_file_alloc", "open_close"},
        {"settime", "settime"},
        {"shm_alloc_security", "shm_make_remove"},
        {"shm_free_security", "shm_make_remove"},
        {"shm_shmctl", "shm_stat"},
        {"socket_accept", "connect_accept_unix"},
        {"socket_bind", "bind_again"},
        {"socket_connect", "connect_udp"},
        {"socket_create", "socket_close"},
        {"socket_listen", "listen_again"},
        {"socket_post_create", "socket_close"},
        {"socket_sendmsg", "tcp_send_receive"},
        {"syslog", "syslog"},
        {"task_alloc", "fork_exit"},
        {"task_kill", "kill"},
        {"task_movememory", "move_pages"},
        {"task_newtask", "fork_exit"},
        {"task_prlimit", "prlimit"},
        {"task_setioprio", "ioprio"},
        {"task_setnice", "setpriority"},
        {"task_setrlimit", "setrlimit"},
        {"task_setscheduler", "setscheduler"},
        {"unix_may_send", "unix_send_receive"},
        {"unix_stream_connect", "connect_accept_unix"},
        {"userns_create", "fork_userns"},
    };
    return kOperations;
}

// cgroup_rmdir: workers take apart for long what was removed, and what a cgroup costs them differs
// from one to the next. kernel_module_request: the act starts a helper in user space, which costs
// between 70,000 and 2,600,000 instructions. security_key_free: runs in a worker of the kernel,
// whoever the key was of. task_free: runs after a grace period, in whatever task is there.
constexpr std::array<std::string_view, 4> kNotMeasurable = {"cgroup_rmdir", "kernel_module_request",
                                                            "security_key_free", "task_free"};

}  // namespace

bool is_measurable(std::string_view hook) {
    return std::find(kNotMeasurable.begin(), kNotMeasurable.end(), hook) == kNotMeasurable.end();
}

std::vector<Operation> all_operations() {
    std::vector<Operation> all;
    for (const auto part : {file_operations(), process_operations(), socket_operations(),
                            object_operations(), surface_operations()})
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

std::string_view operation_of(std::string_view hook) {
    const auto found = operations_by_hook().find(hook);
    return found == operations_by_hook().end() ? std::string_view{} : found->second;
}

int fork_waiting_child() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            ::pause();
    }
    return pid;
}

}  // namespace bulkhead::bench
