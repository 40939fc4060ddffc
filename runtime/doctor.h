// What this machine can do for an environment, proved by trying each thing and undoing it.
#pragma once

#include <string>
#include <vector>

namespace bulkhead::runtime {

enum class Need {
    kRequired,  // without it no environment can be fenced, limited and metered as promised
    kOptional,  // an environment starts without it, with what `why` says missing
};

struct Check {
    std::string name;   // "task-kill": stable, scripts may rely on it
    std::string group;  // kernel, fence, limits, view, meters
    Need need;
    bool effective;
    std::string why;     // what was tried, or what went wrong
    std::string remedy;  // empty when effective
};

struct Diagnosis {
    std::string kernel;  // as uname -r has it
    std::vector<Check> checks;

    // Every required check is effective.
    [[nodiscard]] bool can_enforce() const;
};

// Tries everything. Takes about a second, needs root to be meaningful, and leaves nothing behind:
// programs are dropped, mounts are detached, the cgroup is removed.
Diagnosis diagnose();

}  // namespace bulkhead::runtime
