#include "runtime/mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace bulkhead::runtime {
namespace {

// Makes the missing directories of `path` inside `root`, one component at a time.
Status make_directories(int root, const std::string& path) {
    std::size_t end = 0;
    while (end != std::string::npos) {
        end = path.find('/', end + 1);
        const std::string prefix = path.substr(0, end);
        if (prefix.empty() || prefix == "/")
            continue;
        if (open_inside(root, prefix, O_PATH | O_DIRECTORY))
            continue;
        const std::size_t slash = prefix.rfind('/');
        const std::string parent = slash == std::string::npos ? "." : prefix.substr(0, slash + 1);
        BULKHEAD_TRY_VALUE(directory, open_inside(root, parent, O_PATH | O_DIRECTORY));
        if (::mkdirat(directory.get(), prefix.substr(slash + 1).c_str(), 0755) != 0)
            return fail_errno("make the mount point " + prefix);
    }
    return {};
}

Status make_file(int root, const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string parent = path.substr(0, slash);
    if (!parent.empty())
        BULKHEAD_TRY(make_directories(root, parent));
    BULKHEAD_TRY_VALUE(directory,
                       open_inside(root, parent.empty() ? "." : parent, O_PATH | O_DIRECTORY));
    const UniqueFd file(::openat(directory.get(), path.substr(slash + 1).c_str(),
                                 O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644));
    if (!file)
        return fail_errno("make the mount point " + path);
    return {};
}

Result<UniqueFd> open_target(int root, const std::string& path, TargetKind kind, uid_t owner) {
    const int flags = O_PATH | (kind == TargetKind::kDirectory ? O_DIRECTORY : 0);
    auto target = open_inside(root, path, flags);
    if (target || target.error().code() != ENOENT)
        return target;
    const FileOwner made_by(owner);
    if (kind == TargetKind::kDirectory)
        BULKHEAD_TRY(make_directories(root, path));
    else
        BULKHEAD_TRY(make_file(root, path));
    return open_inside(root, path, flags);
}

}  // namespace

Result<UniqueFd> new_mount(const char* type, const std::vector<MountOption>& options,
                           unsigned attributes) {
    const UniqueFd context(::fsopen(type, FSOPEN_CLOEXEC));
    if (!context)
        return fail_errno(std::string("open the file system ") + type);
    for (const MountOption& option : options) {
        const int error = option.value.empty()
                              ? ::fsconfig(context.get(), FSCONFIG_SET_FLAG, option.key, nullptr, 0)
                              : ::fsconfig(context.get(), FSCONFIG_SET_STRING, option.key,
                                           option.value.c_str(), 0);
        if (error != 0)
            return fail_errno(std::string(type) + ": set " + option.key + "=" + option.value);
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno(std::string("create a ") + type);
    UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mount)
        return fail_errno(std::string("mount a ") + type);
    return mount;
}

Result<UniqueFd> clone_mount(int directory, const std::string& path, CloneDepth depth,
                             unsigned attributes) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    if (depth == CloneDepth::kRecursive)
        flags |= AT_RECURSIVE;
    UniqueFd mount(::open_tree(directory, path.c_str(), flags));
    if (!mount)
        return fail_errno("bind " + (path.empty() ? std::string("a directory") : path));
    // A copy is born into the peer group of what it copies: what is mounted on it would appear on
    // the host.
    mount_attr change{};
    change.propagation = MS_PRIVATE;
    change.attr_set = attributes;
    const unsigned whole = depth == CloneDepth::kRecursive ? AT_RECURSIVE : 0U;
    if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH | whole, &change, sizeof change) != 0)
        return fail_errno("make a bound mount private");
    return mount;
}

Status set_attributes(int mount, unsigned attributes) {
    mount_attr change{};
    change.attr_set = attributes;
    if (::mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change) != 0)
        return fail_errno("set the attributes of a mount");
    return {};
}

Status map_ids(int mount, int user_namespace) {
    mount_attr change{};
    change.attr_set = MOUNT_ATTR_IDMAP;
    change.userns_fd = static_cast<std::uint64_t>(user_namespace);
    if (::mount_setattr(mount, "", AT_EMPTY_PATH, &change, sizeof change) != 0)
        return fail_errno("map the ids of a mount");
    return {};
}

Status attach_on(int mount, int target, const std::string& path) {
    if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return fail_errno("mount on " + path);
    return {};
}

Status attach(int mount, int root, const std::string& path, TargetKind kind, uid_t owner) {
    BULKHEAD_TRY_VALUE(target, open_target(root, path, kind, owner));
    return attach_on(mount, target.get(), path);
}

Result<UniqueFd> open_inside(int root, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const auto fd = static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
    if (fd < 0)
        return fail_errno("open " + path + " inside the root");
    return UniqueFd(fd);
}

FileOwner::FileOwner(uid_t owner) : changed_(owner != kCaller) {
    if (!changed_)
        return;
    ::setfsgid(owner);
    ::setfsuid(owner);
}

FileOwner::~FileOwner() {
    if (!changed_)
        return;
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
}

std::string descriptor_path(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
}

}  // namespace bulkhead::runtime
