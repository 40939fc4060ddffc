#include "runtime/tree_paths.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>

#include "loader/unique_fd.h"
#include "runtime/mounts.h"
#include "runtime/policy/policy.h"
#include "runtime/tree_places.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kTreeClasses = 1ULL << BH_CLASS_PATHS | 1ULL << BH_CLASS_EXECUTION;

// "" with errno set when it cannot be read.
std::string read_link(const std::string& link) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    return length < 0 ? "" : std::string(target, static_cast<std::size_t>(length));
}

bool is_missing(int error) {
    return error == ENOENT || error == ENOTDIR;
}

Result<struct statx> stat_at(int directory, const char* name, const std::string& path) {
    struct statx info {};
    if (::statx(directory, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                STATX_TYPE | STATX_NLINK | STATX_MNT_ID, &info) != 0)
        return fail_errno("stat " + path);
    return info;
}

// A process's root directory. Paths are walked there as its own processes would.
class ProcessRoot {
public:
    // What a path leads to whose last link is followed.
    struct Found {
        UniqueFd fd;
        std::string path;  // where it is; "" for the root
        std::uint64_t mount = 0;
    };

    static Result<ProcessRoot> open(pid_t process) {
        const std::string link = "/proc/" + std::to_string(process) + "/root";
        ProcessRoot root;
        root.directory_.reset(::open(link.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!root.directory_)
            return fail_errno("open " + link);
        root.shown_ = read_link(link);
        if (root.shown_.empty())
            return fail_errno("read " + link);
        if (root.shown_ == "/")
            root.shown_.clear();
        return root;
    }

    [[nodiscard]] Result<UniqueFd> open_path(const std::string& path) const {
        return open_inside(directory_.get(), path, O_PATH);
    }

    [[nodiscard]] Result<Found> follow(const std::string& path) const {
        Found found;
        BULKHEAD_TRY_VALUE(fd, open_path(path));
        BULKHEAD_TRY_VALUE(info, stat_at(fd.get(), "", path));
        const std::string shown = read_link(descriptor_path(fd.get()));
        if (!shown.starts_with('/') || !shown.starts_with(shown_))
            return fail(Error(ESTALE, path + " lies outside of the environment's root"));
        found.path = shown.substr(shown_.size());
        if (found.path == "/")
            found.path.clear();
        found.mount = info.stx_mnt_id;
        found.fd = std::move(fd);
        return found;
    }

private:
    UniqueFd directory_;
    std::string shown_;  // how the kernel shows its path; what lies beneath begins so
};

Status check_names(const struct statx& info) {
    if (!S_ISREG(info.stx_mode) || info.stx_nlink <= 1)
        return {};
    return fail(
        Error(0,
              "the file has " + std::to_string(info.stx_nlink) + " names, and a rule holds by name",
              Fault::kUsage)
            .advise("name the directory that it lies in, or remove its other "
                    "names (hard links)"));
}

// Finds where the paths of a policy are, a directory at a time: what lies in one is asked of that,
// by its name alone. Links are followed but the last. What is not there yet is by name what it will
// be.
class PathFinder {
public:
    PathFinder(const ProcessRoot& root, const std::vector<loader::TreeNode>& nodes)
        : root_(root), nodes_(nodes), directory_of_(nodes.size(), kNone) {}

    // Of the nodes that rules name. An error is about the rule whose number `wrong` has.
    Result<std::vector<RulePath>> find(std::uint32_t& wrong) {
        for (std::size_t i = 1; i < nodes_.size(); ++i)
            directory_of_[nodes_[i].parent] = kLater;
        paths_.reserve(nodes_.size());
        if (nodes_.size() > 1)
            BULKHEAD_TRY(add_root());
        for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
            wrong = rule_about(i);
            BULKHEAD_TRY(find_node(i));
        }
        wrong = 0;
        return std::move(paths_);
    }

private:
    static constexpr std::uint32_t kNone = ~0U;       // nothing lies beneath the node
    static constexpr std::uint32_t kLater = ~0U - 1;  // it was not looked for yet

    // A node with others beneath.
    struct Directory {
        std::string said;  // by the policy
        std::string path;  // where it is, or will be
        std::uint64_t mount = 0;
        bool is_there = false;
    };
    struct Open {
        std::uint32_t directory;
        UniqueFd fd;
    };

    // The rule of the path that the node was made for: it ends at the next node that a rule names.
    [[nodiscard]] std::uint32_t rule_about(std::size_t node) const {
        while (node + 1 < nodes_.size() && (nodes_[node].flags & BH_NODE_NAMED) == 0)
            ++node;
        return nodes_[node].rule;
    }

    Status add_root() {
        BULKHEAD_TRY_VALUE(root, root_.follow("/"));
        add(0, {"", root.path, root.mount, true});
        way_.push_back({0, std::move(root.fd)});
        return {};
    }

    void add(std::uint32_t node, Directory directory) {
        directory_of_[node] = static_cast<std::uint32_t>(directories_.size());
        directories_.push_back(std::move(directory));
    }

    Status find_node(std::uint32_t node) {
        const std::uint32_t parent = directory_of_[nodes_[node].parent];
        if ((nodes_[node].flags & BH_NODE_NAMED) != 0)
            BULKHEAD_TRY(find_named(node, parent));
        return directory_of_[node] == kLater ? find_directory(node, parent) : Status{};
    }

    Status find_named(std::uint32_t node, std::uint32_t parent) {
        const loader::TreeNode& named = nodes_[node];
        const Directory& above = directories_[parent];
        RulePath& rule = paths_.emplace_back();
        rule = {above.path + "/" + named.name, above.mount, named.rule, named.rights};
        if (!above.is_there)
            return {};
        BULKHEAD_TRY_VALUE(fd, descriptor_of(parent));
        const auto info = stat_at(fd, named.name.c_str(), rule.path);
        if (!info)
            return is_missing(info.error().code()) ? Status{} : fail(Error(info.error()));
        rule.mount = info->stx_mnt_id;
        return check_names(*info);
    }

    Status find_directory(std::uint32_t node, std::uint32_t parent) {
        const Directory& above = directories_[parent];
        const std::string& name = nodes_[node].name;
        Directory directory{above.said + "/" + name, above.path + "/" + name, above.mount, false};
        if (!above.is_there) {
            add(node, std::move(directory));
            return {};
        }
        BULKHEAD_TRY_VALUE(outer, descriptor_of(parent));
        auto fd = open_directory(outer, name, directory);
        if (!fd && !is_missing(fd.error().code()))
            return fail(std::move(fd).error());
        directory.is_there = fd.has_value();
        add(node, std::move(directory));
        if (fd)
            way_.push_back({directory_of_[node], std::move(*fd)});
        return {};
    }

    [[nodiscard]] Result<UniqueFd> open_directory(int outer, const std::string& name,
                                                  Directory& directory) const {
        UniqueFd fd(::openat(outer, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!fd)
            return fail_errno("open " + directory.said + " inside the root");
        BULKHEAD_TRY_VALUE(info, stat_at(fd.get(), "", directory.said));
        directory.mount = info.stx_mnt_id;
        if (!S_ISLNK(info.stx_mode))
            return fd;
        BULKHEAD_TRY_VALUE(found, root_.follow(directory.said));
        directory.path = std::move(found.path);
        directory.mount = found.mount;
        return std::move(found.fd);
    }

    // Those on the way to the last one are open: paths mostly come sorted.
    Result<int> descriptor_of(std::uint32_t directory) {
        const auto open = std::find_if(way_.rbegin(), way_.rend(),
                                       [&](const Open& one) { return one.directory == directory; });
        way_.erase(open == way_.rend() ? way_.begin() : open.base(), way_.end());
        if (way_.empty()) {
            const std::string& path = directories_[directory].path;
            BULKHEAD_TRY_VALUE(fd, root_.open_path(path.empty() ? "/" : path));
            way_.push_back({directory, std::move(fd)});
        }
        return way_.back().fd.get();
    }

    const ProcessRoot& root_;
    const std::vector<loader::TreeNode>& nodes_;
    std::vector<std::uint32_t> directory_of_;  // by node: its place in directories_
    std::vector<Directory> directories_;
    std::vector<Open> way_;
    std::vector<RulePath> paths_;
};

Result<std::vector<MountPoint>> mounts_of(pid_t process) {
    const std::string path = "/proc/" + std::to_string(process) + "/mountinfo";
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char buffer[4096];
    ssize_t got = -1;
    while (file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    if (got < 0)
        return fail_errno("read " + path);
    return parse_mounts(text);
}

// With the place in the policy's text. That is compiled once more, as nothing else keeps it.
Status fail_at(Error error, std::uint32_t rule, const std::vector<policy::Source>& sources) {
    const auto policy = policy::compile(sources);
    const std::string where = policy ? policy->describe_rule(rule) : "";
    return fail(where.empty() ? std::move(error) : std::move(error).within(where));
}

}  // namespace

Status place_rules(loader::Rules& rules, pid_t process,
                   const std::vector<policy::Source>& sources) {
    if ((BH_CONTROL_CLASSES(rules.control) & kTreeClasses) == 0)
        return {};
    if (rules.nodes.empty())
        return fail(
            Error(0, "paths and execution are to be refused, and no rule says which", Fault::kUsage)
                .advise("write [files] into the policy (docs/policy.md)"));
    BULKHEAD_TRY_VALUE(root, ProcessRoot::open(process));
    std::uint32_t wrong = 0;
    auto paths = PathFinder(root, rules.nodes).find(wrong);
    if (!paths)
        return fail_at(std::move(paths).error(), wrong, sources);
    BULKHEAD_TRY_VALUE(mounts, mounts_of(process));
    auto placed = place(mounts, *paths, {rules.nodes[0].rule, rules.nodes[0].rights}, wrong);
    if (!placed)
        return fail_at(std::move(placed).error(), wrong, sources);
    rules.places = std::move(*placed);
    return {};
}

}  // namespace bulkhead::runtime
