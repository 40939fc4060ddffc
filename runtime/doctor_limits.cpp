// The limits: a cgroup with each controller is made, written to, entered by clone3, removed.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "loader/unique_fd.h"
#include "runtime/cgroup.h"
#include "runtime/doctor_checks.h"
#include "runtime/doctor_child.h"

namespace bulkhead::runtime {
namespace {

constexpr std::string_view kGroup = "limits";
constexpr const char* kUnifiedRemedy =
    "boot with systemd.unified_cgroup_hierarchy=1, or: mount -t cgroup2 none /sys/fs/cgroup";

std::string in_root(std::string_view file) {
    return std::string(kCgroupRoot) + "/" + std::string(file);
}

Status write_file(const std::string& path, std::string_view value) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
        return fail_errno("open " + path);
    if (::write(file.get(), value.data(), value.size()) < 0)
        return fail_errno("write " + std::string(value) + " to " + path);
    return {};
}

bool lists(const std::string& path, std::string_view word) {
    std::ifstream file(path);
    for (std::string found; file >> found;)
        if (found == word)
            return true;
    return false;
}

// A cgroup below the root, and what had to be switched on for it: both undone with the object.
class TrialCgroup {
public:
    static Result<TrialCgroup> make() {
        struct statfs fs {};
        if (::statfs(std::string(kCgroupRoot).c_str(), &fs) != 0 ||
            fs.f_type != CGROUP2_SUPER_MAGIC)
            return fail(Error(0, std::string(kCgroupRoot) + " is not a cgroup2 file system")
                            .advise(kUnifiedRemedy));
        TrialCgroup made(in_root("bulkhead-doctor." + std::to_string(::getpid())));
        if (::mkdir(made.path_.c_str(), 0755) != 0)
            return fail_errno("make the cgroup " + std::exchange(made.path_, {}));
        return made;
    }

    TrialCgroup(TrialCgroup&& other) noexcept
        : path_(std::exchange(other.path_, {})), enabled_(std::exchange(other.enabled_, {})) {}
    TrialCgroup& operator=(TrialCgroup&&) = delete;
    TrialCgroup(const TrialCgroup&) = delete;
    TrialCgroup& operator=(const TrialCgroup&) = delete;
    ~TrialCgroup() {
        if (!path_.empty())
            ::rmdir(path_.c_str());
        for (const std::string& controller : enabled_)
            (void)write_file(in_root("cgroup.subtree_control"), "-" + controller);
    }

    [[nodiscard]] std::string file(std::string_view name) const {
        return path_ + "/" + std::string(name);
    }

    Status enable(const std::string& controller) {
        if (!lists(in_root("cgroup.controllers"), controller))
            return fail(Error(0, "the controller is not in " + in_root("cgroup.controllers"))
                            .advise("a version 1 hierarchy may hold it (see /proc/cgroups), or "
                                    "cgroup_disable= turned it off: remove that from the kernel's "
                                    "command line"));
        if (lists(in_root("cgroup.subtree_control"), controller))
            return {};
        BULKHEAD_TRY(write_file(in_root("cgroup.subtree_control"), "+" + controller));
        enabled_.push_back(controller);
        return {};
    }

    Status enter_by_clone() const {
        const UniqueFd directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory)
            return fail_errno("open " + path_);
        BULKHEAD_TRY_VALUE(
            child, Child::start(CLONE_INTO_CGROUP, directory.get(), [] { return Status{}; }));
        const bool inside = lists(file("cgroup.procs"), std::to_string(child.pid()));
        BULKHEAD_TRY(child.finish());
        if (!inside)
            return fail(Error(0, "clone3 left the child in another cgroup"));
        return {};
    }

private:
    explicit TrialCgroup(std::string path) : path_(std::move(path)) {}

    std::string path_;
    std::vector<std::string> enabled_;
};

struct Bound {
    const char* name;
    const char* controller;
    const char* file;
    const char* value;
    Need need;
    const char* remedy;
};
constexpr std::array kBounds = {
    Bound{"cpu", "cpu", "cpu.max", "50000 100000", Need::kRequired,
          "use a kernel with CONFIG_CFS_BANDWIDTH"},
    Bound{"memory", "memory", "memory.max", "67108864", Need::kRequired,
          "use a kernel with CONFIG_MEMCG"},
    Bound{"swap", "memory", "memory.swap.max", "0", Need::kOptional, "boot without swapaccount=0"},
    Bound{"pids", "pids", "pids.max", "16", Need::kRequired,
          "use a kernel with CONFIG_CGROUP_PIDS"},
    Bound{"io", "io", "io.stat", nullptr, Need::kRequired, "use a kernel with CONFIG_BLK_CGROUP"},
    Bound{"io-weight", "io", "io.weight", "default 50", Need::kOptional,
          "use a kernel with CONFIG_BLK_CGROUP_IOCOST"},
    Bound{"kill", nullptr, "cgroup.kill", "1", Need::kRequired, "use a kernel from 5.14 on"},
};

Status try_bound(TrialCgroup& cgroup, const Bound& bound) {
    if (bound.controller != nullptr)
        BULKHEAD_TRY(cgroup.enable(bound.controller));
    if (bound.value != nullptr)
        return write_file(cgroup.file(bound.file), bound.value);
    if (::access(cgroup.file(bound.file).c_str(), R_OK) != 0)
        return fail_errno("read " + cgroup.file(bound.file));
    return {};
}

}  // namespace

Checks check_limits() {
    Result<TrialCgroup> cgroup = TrialCgroup::make();
    Status made;
    if (!cgroup)
        made = fail(cgroup.error());
    Checks checks;
    checks.push_back(
        conclude(kGroup, {"cgroup2", Need::kRequired, "a cgroup was made", "run as root"}, made));
    for (const Bound& bound : kBounds)
        checks.push_back(conclude(
            kGroup,
            {bound.name, bound.need, std::string(bound.file) + " of a new cgroup", bound.remedy},
            cgroup ? try_bound(*cgroup, bound) : made));
    checks.push_back(conclude(kGroup,
                              {"clone-into-cgroup", Need::kRequired,
                               "a child was created in a cgroup", "use a kernel from 5.7 on"},
                              cgroup ? cgroup->enter_by_clone() : made));
    return checks;
}

}  // namespace bulkhead::runtime
