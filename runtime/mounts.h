// The mount API of descriptors: a mount is made detached and attached where it belongs; nothing
// is visible to others before it is complete.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime {

struct MountOption {
    const char* key;
    std::string value;
};

// A detached mount of a new file system. `attributes`: MOUNT_ATTR_*.
Result<UniqueFd> new_mount(const char* type, const std::vector<MountOption>& options,
                           unsigned attributes);

enum class CloneDepth { kOne, kRecursive };

// A detached copy of what is mounted at `path` below `directory` (a descriptor or AT_FDCWD), with
// `attributes` (MOUNT_ATTR_*) added. An empty path: the directory itself.
Result<UniqueFd> clone_mount(int directory, const std::string& path, CloneDepth depth,
                             unsigned attributes = 0);

// Sets MOUNT_ATTR_* on a whole mount tree.
Status set_attributes(int mount, unsigned attributes);

// Maps the ids of a detached mount as the user namespace does. EINVAL: that file system
// cannot.
Status map_ids(int mount, int user_namespace);

// Attaches a detached mount on the directory or file `path` inside `root`, which is made when it
// is not there, as `owner` (a host id; kCaller: as who calls), since on a mount with mapped ids
// only a mapped id can make files. Symbolic links on the way are resolved inside `root`, so that
// what lies there cannot lead out.
enum class TargetKind { kDirectory, kFile };
inline constexpr uid_t kCaller = static_cast<uid_t>(-1);
Status attach(int mount, int root, const std::string& path, TargetKind kind, uid_t owner = kCaller);

// On what is open already; `path` is for the error.
Status attach_on(int mount, int target, const std::string& path);

// Opens `path` inside `root`, confined to it (RESOLVE_IN_ROOT).
Result<UniqueFd> open_inside(int root, const std::string& path, int flags);

// Files are made as `owner` (a host id; kCaller: as who calls) while it lives. Without the power
// that root has over files of others, and so without mknod(2).
class FileOwner {
public:
    explicit FileOwner(uid_t owner);
    FileOwner(const FileOwner&) = delete;
    FileOwner& operator=(const FileOwner&) = delete;
    ~FileOwner();

private:
    bool changed_ = false;
};

// The path of an open descriptor for calls that know paths only.
std::string descriptor_path(int fd);

}  // namespace bulkhead::runtime
