#include "runtime/tree_paths.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

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

// A process's root directory. Paths are walked there as its own processes would.
class ProcessRoot {
public:
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

    // Fills path.path, which is what the policy says, with where it is, and path.mount. Links are
    // followed but the last. What is not there yet is by name what it will be.
    Status find(RulePath& path) const {
        std::string rest;
        for (std::string above = path.path;;) {
            auto found = open_path(above, rest.empty());
            if (found)
                return settle(path, *found, rest);
            const int error = found.error().code();
            if ((error != ENOENT && error != ENOTDIR) || above == "/")
                return fail(std::move(found).error());
            const std::size_t last = above.rfind('/');
            rest.insert(0, above, last);
            above.resize(last == 0 ? 1 : last);
        }
    }

private:
    [[nodiscard]] Result<UniqueFd> open_path(const std::string& path, bool is_end) const {
        return open_inside(directory_.get(), path, O_PATH | (is_end ? O_NOFOLLOW : 0));
    }

    Status settle(RulePath& path, const UniqueFd& found, const std::string& rest) const {
        struct statx info {};
        if (::statx(found.get(), "", AT_EMPTY_PATH, STATX_TYPE | STATX_NLINK | STATX_MNT_ID,
                    &info) != 0)
            return fail_errno("stat " + path.path);
        if (rest.empty() && S_ISREG(info.stx_mode) && info.stx_nlink > 1)
            return fail(Error(0,
                              "the file has " + std::to_string(info.stx_nlink) +
                                  " names, and a rule holds by name",
                              Fault::kUsage)
                            .advise("name the directory that it lies in, or remove its other "
                                    "names (hard links)"));
        const std::string shown = read_link(descriptor_path(found.get()));
        if (!shown.starts_with('/') || !shown.starts_with(shown_))
            return fail(Error(ESTALE, path.path + " lies outside of the environment's root"));
        const std::string above = shown.substr(shown_.size());
        path.path = above == "/" && !rest.empty() ? rest : above + rest;
        path.mount = info.stx_mnt_id;
        return {};
    }

    UniqueFd directory_;
    std::string shown_;  // how the kernel shows its path; what lies beneath begins so
};

Result<std::vector<MountPoint>> mounts_of(pid_t process) {
    const std::string path = "/proc/" + std::to_string(process) + "/mountinfo";
    std::ifstream file(path);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
        return fail_errno("read " + path);
    return parse_mounts(text.str());
}

std::vector<RulePath> paths_of(const std::vector<loader::TreeNode>& nodes) {
    std::vector<RulePath> paths;
    std::vector<std::string> whole(nodes.size());
    for (std::size_t i = 1; i < nodes.size(); ++i) {
        const loader::TreeNode& node = nodes[i];
        whole[i] = whole[node.parent] + "/" + node.name;
        if ((node.flags & BH_NODE_NAMED) != 0)
            paths.push_back({whole[i], 0, node.rule, node.rights});
    }
    return paths;
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
    std::vector<RulePath> paths = paths_of(rules.nodes);
    for (RulePath& path : paths) {
        const std::uint32_t rule = path.rule;
        if (auto found = root.find(path); !found)
            return fail_at(std::move(found).error(), rule, sources);
    }
    BULKHEAD_TRY_VALUE(mounts, mounts_of(process));
    std::uint32_t wrong = 0;
    auto placed = place(mounts, paths, {rules.nodes[0].rule, rules.nodes[0].rights}, wrong);
    if (!placed)
        return fail_at(std::move(placed).error(), wrong, sources);
    rules.places = std::move(*placed);
    return {};
}

}  // namespace bulkhead::runtime
