// The view: each kind of namespace, made by clone3 as the start path makes it.
#include <linux/sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "runtime/doctor_checks.h"
#include "runtime/doctor_child.h"

namespace bulkhead::runtime {
namespace {

constexpr std::string_view kGroup = "view";

struct Kind {
    const char* name;
    std::uint64_t flag;
};
constexpr std::array kKinds = {
    Kind{"mount", CLONE_NEWNS},  Kind{"pid", CLONE_NEWPID}, Kind{"net", CLONE_NEWNET},
    Kind{"uts", CLONE_NEWUTS},   Kind{"ipc", CLONE_NEWIPC}, Kind{"cgroup", CLONE_NEWCGROUP},
    Kind{"time", CLONE_NEWTIME},
};

// ENOSPC is how the kernel says that /proc/sys/user/max_*_namespaces is reached.
std::string remedy_for(const Status& outcome, const std::string& kind) {
    if (!outcome && outcome.error().code() == ENOSPC)
        return "raise the bound: sysctl user.max_" + (kind == "mount" ? "mnt" : kind) +
               "_namespaces=65536";
    if (!outcome && outcome.error().code() == EINVAL)
        return "use a kernel with " + kind + " namespaces built in";
    return "run as root, outside of another container";
}

Check check_kind(const Kind& kind) {
    const Status outcome = try_in_child(kind.flag, [] { return Status{}; });
    return conclude(kGroup,
                    {std::string(kind.name) + "-namespace", Need::kRequired, "made by clone3",
                     remedy_for(outcome, kind.name)},
                    outcome);
}

Status try_user_namespace() {
    BULKHEAD_TRY_VALUE(space, make_user_namespace());
    return {};
}

}  // namespace

Checks check_namespaces() {
    Checks checks;
    for (const Kind& kind : kKinds)
        checks.push_back(check_kind(kind));
    const Status user = try_user_namespace();
    checks.push_back(conclude(kGroup,
                              {"user-namespace", Need::kRequired,
                               "made and given an own range of host ids", remedy_for(user, "user")},
                              user));
    // CLONE_PIDFD and waitid(P_PIDFD) are what Child is made of.
    checks.push_back(conclude(
        kGroup,
        {"pidfd", Need::kRequired, "a child was awaited through one", "use a kernel from 5.4 on"},
        try_in_child(0, [] { return Status{}; })));
    return checks;
}

}  // namespace bulkhead::runtime
