#include "runtime/learned.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "loader/refusals.h"
#include "runtime/format.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/devices.h"
#include "runtime/policy/sysctls.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint32_t kPortBits = 16;
constexpr std::uint32_t kAddressBits = 128;

// Within its super block, from its root on: "/" and the names, which lie leaf first.
std::string path_within(const bh_learned& row) {
    std::string path;
    const std::string_view text(row.text, std::min<std::size_t>(row.text_bytes, sizeof row.text));
    for (std::size_t end = text.size(); end > 0;) {
        const std::size_t begin = end >= 2 ? text.rfind('\0', end - 2) + 1 : 0;
        path += "/" + std::string(text.substr(begin, end - 1 - begin));
        end = begin;
    }
    return path.empty() ? "/" : path;
}

bool is_beneath(std::string_view path, std::string_view above) {
    if (above == "/")
        return true;
    return path.starts_with(above) && (path.size() == above.size() || path[above.size()] == '/');
}

// Where the mounts show it: of several by the one that shows least else, the last of these.
std::optional<std::string> path_in(const std::vector<MountPoint>& mounts, std::uint32_t dev,
                                   const std::string& within) {
    const MountPoint* best = nullptr;
    for (const MountPoint& mount : mounts) {
        if (mount.dev == dev && is_beneath(within, mount.root) &&
            (best == nullptr || mount.root.size() >= best->root.size()))
            best = &mount;
    }
    if (best == nullptr)
        return std::nullopt;
    const std::string rest = within.substr(best->root == "/" ? 0 : best->root.size());
    if (best->path == "/")
        return rest.empty() ? "/" : rest;
    return best->path + (rest == "/" ? "" : rest);
}

bool names_change(unsigned hook) {
    switch (hook) {
        case BH_HOOK_path_mknod:
        case BH_HOOK_path_mkdir:
        case BH_HOOK_path_rmdir:
        case BH_HOOK_path_unlink:
        case BH_HOOK_path_symlink:
        case BH_HOOK_path_link:
        case BH_HOOK_path_rename:
            return true;
        default:
            return false;
    }
}

// And not changes of what is mounted already, or shown at another place.
bool mounts_anew(unsigned hook, std::uint32_t flags) {
    constexpr std::uint32_t kOthers =
        MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
    return (hook == BH_HOOK_sb_mount || hook == BH_HOOK_move_mount) && (flags & kOthers) == 0;
}

class Observer {
public:
    explicit Observer(const std::vector<MountPoint>& mounts) : mounts_(mounts) {}

    policy::Observations observe(const std::vector<loader::LearnedRow>& rows) {
        for (const loader::LearnedRow& row : rows)
            add(row.key, row.value);
        for (const loader::LearnedRow& row : rows) {
            if (row.key.kind == BH_LEARNED_MOVE)
                add_move(row.key);
        }
        return std::move(seen_);
    }

private:
    struct Known {
        std::string path;
        bool is_directory = false;
    };

    void add(const bh_learned_key& key, const bh_learned& row) {
        switch (key.kind) {
            case BH_LEARNED_FILE:
                return add_file(key, row);
            case BH_LEARNED_ADDRESS:
                return add_address(key, row);
            case BH_LEARNED_PORT:
                seen_.ports.push_back({static_cast<std::uint16_t>(key.access),
                                       static_cast<std::uint8_t>(key.access >> kPortBits)});
                return;
            case BH_LEARNED_CAPABILITY:
                return add_capability(key, row);
            case BH_LEARNED_MOVE:
                return;
            default:
                return add_class(seen_.classes, key, row, "");
        }
    }

    static void add_class(std::map<bh_class, policy::SeenClass>& classes, const bh_learned_key& key,
                          const bh_learned& row, const std::string& object) {
        add_to(classes[static_cast<bh_class>(key.class_id)], key, row, object);
    }

    static void add_to(policy::SeenClass& seen, const bh_learned_key& key, const bh_learned& row,
                       const std::string& object) {
        seen.count += row.count;
        if (seen.example.empty())
            seen.example =
                object.empty() ? std::string("at ") + loader::hook_name(key.hook) : object;
    }

    void add_file(const bh_learned_key& key, const bh_learned& row) {
        const std::string within = path_within(row);
        if (key.class_id == BH_CLASS_SYSCTL && add_sysctl(key, row, within))
            return;
        std::optional<std::string> path;
        if ((row.flags & BH_REFUSAL_INTERNAL) == 0)
            path = path_in(mounts_, static_cast<std::uint32_t>(row.object[0]), within);
        if (key.class_id != BH_CLASS_PATHS && key.class_id != BH_CLASS_EXECUTION)
            return add_other_file(key, row, path, within);
        if (!path)
            return add_nameless(key, row, within);
        // Of one that is made there was nothing to look at.
        const bool is_directory = S_ISDIR(row.object[2]) || key.hook == BH_HOOK_path_mkdir;
        if (names_change(key.hook)) {
            Known& known = known_[key.object[0]];
            known.path = *path;
            known.is_directory |= is_directory;
        }
        seen_.files.push_back(
            {.path = std::move(*path),
             .rights = key.access,
             .act = names_change(key.hook) ? policy::FileAct::kNamed : policy::FileAct::kUsed,
             .is_directory = is_directory,
             .has_other_names = (row.flags & BH_LEARNED_LINKED) != 0,
             .count = row.count});
    }

    // What other rules than those of paths are about.
    void add_other_file(const bh_learned_key& key, const bh_learned& row,
                        const std::optional<std::string>& path, const std::string& within) {
        const std::string object = path.value_or(within);
        if (key.class_id == BH_CLASS_CGROUPS && (key.access & BH_ACCESS_OWN_CGROUP) != 0)
            return add_to(seen_.own_cgroups, key, row, object);
        if (key.class_id == BH_CLASS_DEVICES && key.hook == BH_HOOK_file_open && path &&
            policy::is_device_name(*path))
            return add_to(seen_.devices[*path], key, row, "");
        if (key.class_id == BH_CLASS_MOUNTS && path && mounts_anew(key.hook, key.access))
            seen_.mounted.points.push_back(*path);
        add_class(seen_.classes, key, row, object);
    }

    void add_nameless(const bh_learned_key& key, const bh_learned& row, const std::string& within) {
        const auto dev = static_cast<std::uint32_t>(row.object[0]);
        const bool is_shown =
            std::any_of(mounts_.begin(), mounts_.end(),
                        [&](const MountPoint& mount) { return mount.dev == dev; });
        if (key.class_id == BH_CLASS_PATHS && !is_shown && (row.flags & BH_REFUSAL_INTERNAL) == 0) {
            seen_.mounted.rights |= key.access;
            return add_to(seen_.mounted.files, key, row, within);
        }
        add_class(seen_.nameless, key, row,
                  formatted("inode {} of device {}:{}, {}", row.object[1], row.object[0] >> 20,
                            row.object[0] & 0xfffff, within));
    }

    // False: no list can name it. In a directory nothing is made: the file that was there is
    // opened.
    bool add_sysctl(const bh_learned_key& key, const bh_learned& row, const std::string& within) {
        if (names_change(key.hook))
            return !policy::sysctl_of_path(within + "/*").empty();
        const std::string name = policy::sysctl_of_path(within);
        if (!name.empty())
            seen_.sysctls[name] += row.count;
        return !name.empty();
    }

    void add_move(const bh_learned_key& key) {
        const auto from = known_.find(key.object[0]), to = known_.find(key.object[1]);
        if (from != known_.end() && to != known_.end())
            seen_.moves.push_back({from->second.path, to->second.path,
                                   from->second.is_directory || to->second.is_directory});
    }

    void add_address(const bh_learned_key& key, const bh_learned& row) {
        if (row.object[0] == AF_PACKET)
            return add_class(seen_.nameless, key, row, "a packet socket");
        policy::SeenAddress seen;
        static_assert(sizeof key.object == sizeof seen.address.address);
        std::memcpy(seen.address.address.data(), key.object, sizeof key.object);
        seen.address.bits = kAddressBits;
        seen.port = static_cast<std::uint16_t>(key.access);
        seen.protocol = static_cast<std::uint8_t>(key.access >> kPortBits);
        seen.count = row.count;
        seen_.addresses.push_back(seen);
    }

    // One that reaches beyond the environment is of a class of its own, and is kept as well.
    // Inside, the capability for mounting goes with the family.
    void add_capability(const bh_learned_key& key, const bh_learned& row) {
        const auto capability = static_cast<unsigned>(key.object[0]);
        const bool is_inside = key.object[1] != 0;
        seen_.capabilities.insert(capability);
        if (key.class_id == BH_CLASS_DROPPED_CAPABILITIES)
            return;
        bh_learned_key of_class = key;
        if (capability == CAP_SYS_ADMIN && is_inside)
            of_class.class_id = BH_CLASS_MOUNTS;
        add_class(seen_.classes, of_class, row, policy::capability_name(capability));
    }

    const std::vector<MountPoint>& mounts_;
    policy::Observations seen_;
    std::unordered_map<std::uint64_t, Known> known_;  // by the hash of the path
};

}  // namespace

policy::Observations observe(const std::vector<loader::LearnedRow>& rows,
                             const std::vector<MountPoint>& mounts, std::uint64_t lost) {
    policy::Observations seen = Observer(mounts).observe(rows);
    seen.lost = lost;
    return seen;
}

}  // namespace bulkhead::runtime
