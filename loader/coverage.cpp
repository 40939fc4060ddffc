#include "loader/coverage.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "loader/refusals.h"

namespace bulkhead::loader {
namespace {

struct Carried {
    constexpr Carried(bh_hook carrier, std::initializer_list<bh_class> carried) : hook(carrier) {
        for (const bh_class class_id : carried)
            classes |= 1ULL << class_id;
    }

    bh_hook hook;
    __u64 classes = 0;
};
static_assert(BH_CLASS_COUNT <= 64);

constexpr std::string_view kPrefix = "lsm/";
constexpr std::string_view kSleepablePrefix = "lsm.s/";
constexpr std::string_view kPacketSection = "cgroup_skb/egress";
constexpr std::string_view kConnectSections = "cgroup/connect";
constexpr std::string_view kSendSections = "cgroup/sendmsg";
constexpr std::string_view kFileSection = "fmod_ret/security_file_alloc";
constexpr std::string_view kForkSection = "fexit/cgroup_can_fork";
constexpr std::string_view kOutOfMemorySection = "fentry/mem_cgroup_get_oom_group";
constexpr std::string_view kSwapSection = "fexit/__mem_cgroup_try_charge_swap";

// One row per hook, so that a hook added to wire.h without a row here fails the unit test.
constexpr Carried kCarried[] = {
    {BH_HOOK_task_alloc, {BH_CLASS_IDENTITY, BH_CLASS_CGROUPS, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_bprm_check_security,
     {BH_CLASS_IDENTITY, BH_CLASS_PERSONALITY, BH_CLASS_ANONYMOUS_CODE, BH_CLASS_DRIFT,
      BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_bprm_creds_from_file, {BH_CLASS_SETUID}},
    {BH_HOOK_mmap_file,
     {BH_CLASS_WRITABLE_CODE, BH_CLASS_ANONYMOUS_CODE, BH_CLASS_DRIFT, BH_CLASS_EXECUTION,
      BH_CLASS_PATHS}},
    {BH_HOOK_file_mprotect,
     {BH_CLASS_WRITABLE_CODE, BH_CLASS_ANONYMOUS_CODE, BH_CLASS_DRIFT, BH_CLASS_EXECUTION}},
    {BH_HOOK_file_fcntl, {BH_CLASS_SIGNAL, BH_CLASS_PATHS}},
    {BH_HOOK_task_kill, {BH_CLASS_SIGNAL, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_ptrace_access_check, {BH_CLASS_TRACE, BH_CLASS_DEBUG}},
    {BH_HOOK_ptrace_traceme, {BH_CLASS_TRACE, BH_CLASS_DEBUG}},
    {BH_HOOK_task_setnice, {BH_CLASS_PROCESS, BH_CLASS_PRIORITY}},
    {BH_HOOK_task_setscheduler, {BH_CLASS_PROCESS, BH_CLASS_PRIORITY}},
    {BH_HOOK_task_setioprio, {BH_CLASS_PROCESS, BH_CLASS_PRIORITY}},
    {BH_HOOK_task_prlimit, {BH_CLASS_PROCESS}},
    {BH_HOOK_task_movememory, {BH_CLASS_PROCESS}},
    {BH_HOOK_task_setrlimit, {BH_CLASS_PROCESS, BH_CLASS_CORE_DUMPS}},
    {BH_HOOK_unix_stream_connect, {BH_CLASS_UNIX}},
    {BH_HOOK_unix_may_send, {BH_CLASS_UNIX}},
    {BH_HOOK_socket_post_create, {BH_CLASS_UNIX, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_socket_accept, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_file_alloc_security, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_cgroup_can_fork, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_file_lock, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_oom_kill, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_swap_charge, {BH_CLASS_BEANCOUNTERS}},
    // Budgets of what is used without an act, and barriers of pages: it tells, and what they refuse
    // is refused above.
    {BH_HOOK_timer, {BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_ipc_permission, {BH_CLASS_IPC}},
    {BH_HOOK_shm_shmctl, {BH_CLASS_IPC}},
    {BH_HOOK_sem_semctl, {BH_CLASS_IPC}},
    {BH_HOOK_msg_queue_msgctl, {BH_CLASS_IPC}},
    {BH_HOOK_shm_alloc_security, {BH_CLASS_IPC}},
    {BH_HOOK_sem_alloc_security, {BH_CLASS_IPC}},
    {BH_HOOK_msg_queue_alloc_security, {BH_CLASS_IPC}},
    {BH_HOOK_key_permission, {BH_CLASS_KEYS}},
    {BH_HOOK_key_alloc, {BH_CLASS_KEYS}},
    {BH_HOOK_cred_alloc_blank, {BH_CLASS_KEYS}},
    {BH_HOOK_file_receive, {BH_CLASS_DESCRIPTORS, BH_CLASS_PATHS}},
    {BH_HOOK_file_open,
     {BH_CLASS_FILES, BH_CLASS_DEVICES, BH_CLASS_KERNEL_FILES, BH_CLASS_SYSCTL, BH_CLASS_CGROUPS,
      BH_CLASS_SELF, BH_CLASS_PATHS, BH_CLASS_EXECUTION, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_file_permission, {BH_CLASS_PATHS, BH_CLASS_EXECUTION}},
    {BH_HOOK_path_mknod, {BH_CLASS_FILES, BH_CLASS_DEVICES, BH_CLASS_PATHS}},
    {BH_HOOK_path_link, {BH_CLASS_FILES, BH_CLASS_PATHS, BH_CLASS_EXECUTION}},
    {BH_HOOK_path_unlink, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_path_symlink, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_path_mkdir, {BH_CLASS_FILES, BH_CLASS_CGROUPS, BH_CLASS_PATHS}},
    {BH_HOOK_path_rmdir, {BH_CLASS_FILES, BH_CLASS_CGROUPS, BH_CLASS_PATHS}},
    {BH_HOOK_path_rename, {BH_CLASS_FILES, BH_CLASS_PATHS, BH_CLASS_EXECUTION}},
    {BH_HOOK_path_truncate, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_path_chmod, {BH_CLASS_FILES, BH_CLASS_CGROUPS}},
    {BH_HOOK_path_chown, {BH_CLASS_FILES, BH_CLASS_CGROUPS}},
    {BH_HOOK_inode_setxattr, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_inode_removexattr, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_inode_set_acl, {BH_CLASS_FILES, BH_CLASS_PATHS}},
    {BH_HOOK_inode_setattr, {BH_CLASS_FILES, BH_CLASS_CGROUPS, BH_CLASS_PATHS}},
    {BH_HOOK_inode_getattr, {BH_CLASS_FILES}},
    {BH_HOOK_path_notify, {BH_CLASS_FILES, BH_CLASS_CGROUPS, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_inode_readlink, {BH_CLASS_FILES}},
    {BH_HOOK_inode_getxattr, {BH_CLASS_FILES}},
    {BH_HOOK_inode_listxattr, {BH_CLASS_FILES}},
    {BH_HOOK_inode_create, {BH_CLASS_FILES}},
    {BH_HOOK_inode_unlink, {BH_CLASS_FILES}},
    {BH_HOOK_file_ioctl, {BH_CLASS_DEVICES, BH_CLASS_SIGNAL}},
    {BH_HOOK_file_ioctl_compat, {BH_CLASS_DEVICES, BH_CLASS_SIGNAL}},
    {BH_HOOK_sb_mount, {BH_CLASS_MOUNTS}},
    {BH_HOOK_sb_umount, {BH_CLASS_MOUNTS}},
    {BH_HOOK_sb_remount, {BH_CLASS_MOUNTS}},
    {BH_HOOK_sb_pivotroot, {BH_CLASS_MOUNTS}},
    {BH_HOOK_move_mount, {BH_CLASS_MOUNTS}},
    {BH_HOOK_bpf, {BH_CLASS_BPF, BH_CLASS_SELF}},
    {BH_HOOK_perf_event_open, {BH_CLASS_PERF}},
    {BH_HOOK_kernel_module_request, {BH_CLASS_MODULES}},
    {BH_HOOK_kernel_read_file, {BH_CLASS_MODULES}},
    {BH_HOOK_kernel_load_data, {BH_CLASS_MODULES}},
    {BH_HOOK_inode_init_security_anon, {BH_CLASS_IO_URING, BH_CLASS_USERFAULTFD}},
    {BH_HOOK_uring_allowed, {BH_CLASS_IO_URING}},
    {BH_HOOK_userns_create, {BH_CLASS_USER_NAMESPACES}},
    {BH_HOOK_socket_create, {BH_CLASS_RAW_SOCKETS, BH_CLASS_FAMILIES}},
    {BH_HOOK_socket_connect, {BH_CLASS_SELF, BH_CLASS_EGRESS}},
    {BH_HOOK_socket_sendmsg, {BH_CLASS_SELF, BH_CLASS_EGRESS}},
    {BH_HOOK_cgroup_egress, {BH_CLASS_EGRESS, BH_CLASS_BEANCOUNTERS}},
    {BH_HOOK_cgroup_connect, {BH_CLASS_EGRESS}},
    {BH_HOOK_cgroup_sendmsg, {BH_CLASS_EGRESS}},
    {BH_HOOK_socket_bind, {BH_CLASS_LISTEN}},
    {BH_HOOK_socket_listen, {BH_CLASS_LISTEN}},
    {BH_HOOK_syslog, {BH_CLASS_SYSLOG}},
    {BH_HOOK_capable,
     {BH_CLASS_CAPABILITIES, BH_CLASS_MOUNTS, BH_CLASS_CLOCK, BH_CLASS_SYSLOG, BH_CLASS_PERF,
      BH_CLASS_DROPPED_CAPABILITIES}},
};

}  // namespace

std::vector<bh_hook> hooks_of(bh_class class_id) {
    std::vector<bh_hook> hooks;
    for (const Carried& row : kCarried)
        if ((row.classes >> class_id & 1) != 0)
            hooks.push_back(row.hook);
    return hooks;
}

bool is_enforced(bh_class class_id) {
    return std::any_of(std::begin(kCarried), std::end(kCarried),
                       [&](const Carried& row) { return (row.classes >> class_id & 1) != 0; });
}

bh_hook hook_of_section(std::string_view section) {
    if (section == kPacketSection)
        return BH_HOOK_cgroup_egress;
    if (section.starts_with(kConnectSections))
        return BH_HOOK_cgroup_connect;
    if (section.starts_with(kSendSections))
        return BH_HOOK_cgroup_sendmsg;
    if (section == kFileSection)
        return BH_HOOK_file_alloc_security;
    if (section == kForkSection)
        return BH_HOOK_cgroup_can_fork;
    if (section == kOutOfMemorySection)
        return BH_HOOK_oom_kill;
    if (section == kSwapSection)
        return BH_HOOK_swap_charge;
    if (section.starts_with(kSleepablePrefix))
        section.remove_prefix(kSleepablePrefix.size());
    else if (section.starts_with(kPrefix))
        section.remove_prefix(kPrefix.size());
    else
        return BH_HOOK_COUNT;
    for (unsigned hook = 0; hook < BH_HOOK_COUNT; ++hook)
        if (section == hook_name(hook))
            return static_cast<bh_hook>(hook);
    return BH_HOOK_COUNT;
}

}  // namespace bulkhead::loader
