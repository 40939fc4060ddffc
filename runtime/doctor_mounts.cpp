// The root file system: the new mount API, overlayfs, and which file systems of this machine can
// be idmapped. Mounts are detached or in a namespace of their own, so they go with the trial.
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>

#include "loader/unique_fd.h"
#include "runtime/doctor_checks.h"
#include "runtime/doctor_child.h"

namespace bulkhead::runtime {
namespace {

constexpr std::string_view kGroup = "view";
constexpr const char* kScratch = "/tmp";

struct FsOption {
    const char* key;
    std::string value;
};

Result<UniqueFd> detached_mount(const char* type, const std::vector<FsOption>& options) {
    const UniqueFd context(::fsopen(type, FSOPEN_CLOEXEC));
    if (!context)
        return fail_errno(std::string("fsopen ") + type);
    for (const FsOption& option : options)
        if (::fsconfig(context.get(), FSCONFIG_SET_STRING, option.key, option.value.c_str(), 0) !=
            0)
            return fail_errno(std::string("set ") + option.key + " of " + type);
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno(std::string("create ") + type);
    UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID));
    if (!mount)
        return fail_errno(std::string("fsmount ") + type);
    return mount;
}

// Upper and work directory on a tmpfs over /tmp of a mount namespace that ends with this child:
// up to 6.14 the kernel takes no layer from a detached mount.
Status mount_overlay(const std::string& lower) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno("make / private");
    const std::string scratch = kScratch;
    if (::mount("tmpfs", kScratch, "tmpfs", 0, nullptr) != 0)
        return fail_errno("mount a tmpfs on " + scratch);
    for (const char* layer : {"/lower", "/upper", "/work"})
        if (::mkdir((scratch + layer).c_str(), 0755) != 0)
            return fail_errno("make " + scratch + layer);
    const UniqueFd wanted(::open((scratch + "/lower/file").c_str(), O_CREAT | O_CLOEXEC, 0644));
    BULKHEAD_TRY_VALUE(overlay, detached_mount("overlay", {{"lowerdir", lower},
                                                           {"upperdir", scratch + "/upper"},
                                                           {"workdir", scratch + "/work"}}));
    if (::mkdirat(overlay.get(), "bulkhead-doctor", 0755) != 0)
        return fail_errno("make a directory in the overlay");
    return {};
}

Status try_overlay(const std::string& lower) {
    return try_in_child(CLONE_NEWNS, [lower] { return mount_overlay(lower); });
}

Status try_detached() {
    BULKHEAD_TRY_VALUE(mount, detached_mount("tmpfs", {}));
    return {};
}

Status map_ids(const UniqueFd& mount) {
    BULKHEAD_TRY_VALUE(space, make_user_namespace());
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(space.get());
    if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
        return fail_errno("mount_setattr with MOUNT_ATTR_IDMAP");
    return {};
}

Status try_idmap_of(const std::string& path) {
    const UniqueFd mount(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!mount)
        return fail_errno("clone the mount of " + path);
    return map_ids(mount);
}

Status try_idmap_of_tmpfs() {
    BULKHEAD_TRY_VALUE(mount, detached_mount("tmpfs", {}));
    return map_ids(mount);
}

struct Mounted {
    std::string point;
    std::string type;
};

// From mountinfo; points with blanks are written \040 there and are left out: they only repeat a
// file system type that another mount has.
std::vector<Mounted> mounted() {
    std::vector<Mounted> found;
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        const std::size_t separator = line.find(" - ");
        std::istringstream before(line.substr(0, separator));
        std::istringstream after(line.substr(separator + 3));
        Mounted mount;
        std::string skipped;
        before >> skipped >> skipped >> skipped >> skipped >> mount.point;
        after >> mount.type;
        if (mount.point.find('\\') == std::string::npos)
            found.push_back(mount);
    }
    return found;
}

std::set<std::string> types_on_devices() {
    std::set<std::string> types;
    std::ifstream table("/proc/filesystems");
    for (std::string line; std::getline(table, line);)
        if (line.starts_with('\t'))
            types.insert(line.substr(1));
    return types;
}

std::string type_of(const std::string& point) {
    std::string type = "?";
    for (const Mounted& mount : mounted())
        if (mount.point == point)
            type = mount.type;  // the last one covers the earlier ones
    return type;
}

Check conclude_idmap(const std::string& name, const std::string& what, const Status& outcome) {
    return conclude(kGroup,
                    {"idmapped-mount-" + name, Need::kOptional, "mapped " + what,
                     "keep templates on ext4, xfs or btrfs (tmpfs from 6.3): a root file system "
                     "that cannot be idmapped shows its files as owned by nobody"},
                    outcome);
}

void add_idmapped(Checks& checks) {
    checks.push_back(conclude_idmap("root", "/ (" + type_of("/") + ")", try_idmap_of("/")));
    checks.push_back(conclude_idmap("tmpfs", "a new tmpfs", try_idmap_of_tmpfs()));
    const std::set<std::string> wanted = types_on_devices();
    std::set<std::string> seen;
    for (const Mounted& mount : mounted())
        if (wanted.contains(mount.type) && seen.insert(mount.type).second)
            checks.push_back(conclude_idmap(mount.type, mount.point, try_idmap_of(mount.point)));
}

}  // namespace

Checks check_mounts() {
    Checks checks = {
        conclude(kGroup,
                 {"mount-api", Need::kRequired, "a detached tmpfs was made",
                  "run as root on a kernel from 5.12 on"},
                 try_detached()),
        conclude(kGroup,
                 {"overlayfs", Need::kRequired, "mounted with layers on tmpfs",
                  "modprobe overlay, or use a kernel with CONFIG_OVERLAY_FS"},
                 try_overlay(std::string(kScratch) + "/lower")),
        conclude(kGroup,
                 {"overlayfs-root", Need::kOptional, "mounted over / (" + type_of("/") + ")",
                  "use --template DIR on another file system: this one cannot be a lower layer"},
                 try_overlay("/")),
    };
    add_idmapped(checks);
    return checks;
}

}  // namespace bulkhead::runtime
