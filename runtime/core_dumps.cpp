#include "runtime/core_dumps.h"

#include <sys/resource.h>

#include <cerrno>

#include "bpf/wire.h"
#include "runtime/adopt_target.h"

namespace bulkhead::runtime {
namespace {

// core(5): 1 is the only limit that also keeps the kernel from piping a dump to a program.
constexpr rlimit kNoDump{1, 1};

// True when it could have dumped until now.
Result<bool> stop(pid_t pid) {
    rlimit before{};
    if (::prlimit(pid, RLIMIT_CORE, &kNoDump, &before) == 0)
        return before.rlim_cur != kNoDump.rlim_cur;
    if (errno == ESRCH)
        return false;
    return fail_errno("limit the core dumps of process " + std::to_string(pid));
}

}  // namespace

bool refuses_core_dumps(std::uint64_t control) {
    return BH_CONTROL_REFUSES(control, BH_CLASS_CORE_DUMPS) != 0 &&
           BH_CONTROL_MODE(control) == BH_MODE_ENFORCE;
}

// Who was forked before its parent's turn has the old limit: until a pass finds none.
Status settle_core_dumps(const std::string& cgroup, std::uint64_t control) {
    constexpr int kMostPasses = 64;
    if (!refuses_core_dumps(control))
        return {};
    for (int pass = 0; pass < kMostPasses; ++pass) {
        bool found = false;
        const auto pids = processes_in(cgroup);
        if (!pids)
            return {};
        for (const pid_t pid : *pids) {
            BULKHEAD_TRY_VALUE(dumped, stop(pid));
            found = found || dumped;
        }
        if (!found)
            return {};
    }
    return fail(Error(EAGAIN, "new processes appear faster than core dumps can be turned off")
                    .advise("publish the policy again"));
}

}  // namespace bulkhead::runtime
