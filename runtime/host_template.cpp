#include "runtime/host_template.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "loader/unique_fd.h"
#include "runtime/mounts.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMask = "/run/bulkhead/.host-mask";
constexpr const char* kUnfinished = "/run/bulkhead/.host-mask.new";
constexpr uid_t kFirstPerson = 1000;

struct EmptyTree {
    const char* path;
    mode_t mode;
};
// Hidden with all they hold; an environment has its own, empty at first.
constexpr std::array kEmptyTrees = {
    EmptyTree{"/root", 0700}, EmptyTree{"/home", 0755},     EmptyTree{"/run", 0755},
    EmptyTree{"/dev", 0755},  EmptyTree{"/proc", 0755},     EmptyTree{"/sys", 0755},
    EmptyTree{"/tmp", 01777}, EmptyTree{"/var/tmp", 01777},
};
constexpr std::array kHiddenTrees = {"/var/lib/bulkhead", "/lost+found"};

// Where unreadable files are looked for, and how deep: deeper directories are hidden whole when
// they are closed to others.
struct Searched {
    const char* path;
    int depth;
};
constexpr std::array kSearched = {Searched{"/etc", 6}, Searched{"/var", 4}, Searched{"/srv", 2},
                                  Searched{"/opt", 2}};

bool looks_like_a_key(const fs::path& path) {
    const std::string name = path.filename();
    return name.ends_with(".key") || name.ends_with("_key") || name.starts_with("id_rsa") ||
           name.starts_with("id_ed25519") || name.starts_with("id_ecdsa");
}

bool closed_to_others(const struct stat& info) {
    const mode_t wanted = S_ISDIR(info.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
    return (info.st_mode & wanted) != wanted;
}

// By path, so that parents come before their children.
using Mask = std::map<std::string, MaskEntry>;

void hide(Mask& mask, const std::string& path) {
    mask[path] = {MaskKind::kHidden, 0, 0, 0, path.substr(1)};
}

void find_secrets(const fs::path& directory, int depth, Mask& mask) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        struct stat info {};
        if (::lstat(entry.path().c_str(), &info) != 0 || S_ISLNK(info.st_mode))
            continue;
        if (mask.contains(entry.path()))
            continue;
        if (closed_to_others(info) || looks_like_a_key(entry.path()))
            hide(mask, entry.path());
        else if (S_ISDIR(info.st_mode) && depth > 1)
            find_secrets(entry.path(), depth - 1, mask);
    }
}

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> fields;
    for (std::size_t begin = 0; begin <= line.size();) {
        const std::size_t end = std::min(line.find(':', begin), line.size());
        fields.push_back(line.substr(begin, end - begin));
        begin = end + 1;
    }
    return fields;
}

void find_homes(Mask& mask) {
    std::ifstream passwd("/etc/passwd");
    std::string line;
    while (std::getline(passwd, line)) {
        const auto fields = split(line);
        if (fields.size() < 6 || std::strtoul(fields[2].c_str(), nullptr, 10) < kFirstPerson)
            continue;
        struct stat info {};
        // nobody's home does not exist, and nobody lives in /.
        if (fields[5].size() > 1 && ::lstat(fields[5].c_str(), &info) == 0)
            hide(mask, fields[5]);
    }
}

bool below_hidden(const Mask& mask, const fs::path& path) {
    for (fs::path parent = path.parent_path(); parent != "/"; parent = parent.parent_path()) {
        const auto found = mask.find(parent);
        if (found != mask.end() && found->second.kind != MaskKind::kDirectory)
            return true;
    }
    return false;
}

void add_parents(Mask& mask) {
    std::vector<std::string> paths;
    for (const auto& [path, entry] : mask)
        paths.push_back(path);
    for (const fs::path path : paths) {
        for (fs::path parent = path.parent_path(); parent != "/"; parent = parent.parent_path()) {
            struct stat info {};
            if (::lstat(parent.c_str(), &info) == 0)
                mask.try_emplace(parent,
                                 MaskEntry{MaskKind::kDirectory, info.st_mode & 07777, info.st_uid,
                                           info.st_gid, parent.string().substr(1)});
        }
    }
}

Mask search() {
    Mask mask;
    for (const EmptyTree& tree : kEmptyTrees)
        mask[tree.path] = {MaskKind::kEmpty, tree.mode, 0, 0, std::string(tree.path).substr(1)};
    for (const char* tree : kHiddenTrees) {
        if (::access(tree, F_OK) == 0)
            hide(mask, tree);
    }
    for (const Searched& searched : kSearched)
        find_secrets(searched.path, searched.depth, mask);
    find_homes(mask);
    std::erase_if(mask, [&](const auto& item) { return below_hidden(mask, item.first); });
    add_parents(mask);
    return mask;
}

Status write_mask() {
    std::ofstream file(kUnfinished, std::ios::trunc);
    for (const auto& [path, entry] : search())
        file << static_cast<char>(entry.kind) << ' ' << entry.mode << ' ' << entry.uid << ' '
             << entry.gid << ' ' << entry.path << '\n';
    file.close();
    if (!file || ::rename(kUnfinished, kMask) != 0)
        return fail_errno(std::string("write ") + kMask);
    return {};
}

Status make_entry(const MaskEntry& entry, int upper, uid_t uid_base) {
    const char* path = entry.path.c_str();
    const auto failed = [&] { return fail_errno("hide /" + entry.path + " of the host"); };
    // A character device 0:0 is how overlayfs says "not there".
    if (entry.kind == MaskKind::kHidden) {
        if (::mknodat(upper, path, S_IFCHR, makedev(0, 0)) != 0 && errno != EEXIST)
            return failed();
        return {};
    }
    if (::mkdirat(upper, path, 0700) != 0)
        return errno == EEXIST ? Status{} : failed();
    if (::fchownat(upper, path, uid_base + entry.uid, uid_base + entry.gid, 0) != 0 ||
        ::fchmodat(upper, path, entry.mode, 0) != 0)
        return failed();
    if (entry.kind == MaskKind::kEmpty) {
        const std::string full = descriptor_path(upper) + "/" + entry.path;
        if (::setxattr(full.c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0)
            return failed();
    }
    return {};
}

}  // namespace

Result<std::vector<MaskEntry>> host_mask() {
    BULKHEAD_TRY(prepare_state_root());
    BULKHEAD_TRY_VALUE(root, lock_state_root());
    if (::access(kMask, F_OK) != 0)
        BULKHEAD_TRY(write_mask());
    std::vector<MaskEntry> mask;
    std::ifstream file(kMask);
    MaskEntry entry{};
    char kind = 0;
    while (file >> kind >> entry.mode >> entry.uid >> entry.gid && file.get() == ' ' &&
           std::getline(file, entry.path)) {
        entry.kind = static_cast<MaskKind>(kind);
        mask.push_back(entry);
    }
    if (mask.empty())
        return fail(Error(EIO, std::string("read ") + kMask));
    return mask;
}

Status apply_mask(const std::vector<MaskEntry>& mask, int upper, uid_t uid_base) {
    for (const MaskEntry& entry : mask)
        BULKHEAD_TRY(make_entry(entry, upper, uid_base));
    return {};
}

}  // namespace bulkhead::runtime
