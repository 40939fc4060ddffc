// What can be asked of and done to environments that exist.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/programs.h"
#include "loader/result.h"
#include "runtime/cgroup.h"
#include "runtime/store.h"

namespace bulkhead::runtime {

enum class Phase {
    kStarting,
    kRunning,
    kEnded,   // kept: record, usage and layer are there until `destroy`
    kBroken,  // there is state that cannot be read
};

const char* phase_name(Phase phase);

struct EnvironmentStatus {
    std::string name;
    Phase phase = Phase::kBroken;
    std::optional<EnvironmentState> state;
    std::optional<int> exit_code;  // as a shell has it, once it ended
    std::uint64_t control = 0;
    std::uint64_t refused = 0;  // of all classes
    std::uint64_t audited = 0;
    std::uint64_t learned = 0;    // different acts that were kept
    std::uint64_t unlearned = 0;  // acts that could not be
    std::vector<Plan> plans;
    std::string problem;  // of a broken one
};

// All environments, by name. Sweeps first.
Result<std::vector<EnvironmentStatus>> list_environments();
// ENOENT: no environment has this name.
Result<EnvironmentStatus> environment_status(const std::string& name);

// `signal` to the first process, if it lives.
Status signal_first_process(const loader::Environments& environments, bh_label label, int signal);

// Asks pid 1 to end by `signal`, then kills everything that is left after `grace_ms`. Done when
// nothing runs in it; a kept environment stays as ended.
Status stop_environment(const std::string& name, int signal, int grace_ms);

enum class DestroyKind {
    kEnded,  // EBUSY while it runs
    kForce,  // kills what runs, and removes state that cannot be read
};
Status destroy_environment(const std::string& name, DestroyKind kind);

enum class UnloadCause { kAsked, kIdle };

// Takes the programs out of the kernel, and the environments' cgroup with them. EBUSY while
// environments are there, or a task that has a label; those that ended unattended are swept first,
// and then `store_ended` called: what is pending for the ledger has the form of these programs, and
// others may come next. Where they are protected it is logged.
Result<loader::UnloadOutcome> unload_programs(loader::Unload how, UnloadCause cause,
                                              const std::function<void()>& store_ended);

// Opens the records when the programs are loaded. ENOENT with advice otherwise.
Result<loader::Environments> open_loaded();
// Finds a live record by name. ENOENT: no environment has this name.
Result<bh_label> find_environment(const loader::Environments& environments,
                                  const std::string& name);
// ESTALE: the record is gone meanwhile.
Result<Cgroup> cgroup_of_environment(const loader::Environments& environments, bh_label label);

}  // namespace bulkhead::runtime
