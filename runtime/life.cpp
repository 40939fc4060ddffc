#include "runtime/life.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <set>

#include "loader/cgroup_programs.h"
#include "loader/guard.h"
#include "loader/pins.h"
#include "runtime/forced_unload.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/remains.h"

namespace bulkhead::runtime {
namespace {

Error not_found(const std::string& name) {
    return Error(ENOENT, "no environment is named " + name).advise("bulkhead list shows them");
}

Status refuse_adopted(const loader::Environments& environments, const std::string& name) {
    const auto label = environments.find(name);
    if (!label || (environments.record(*label)->flags & BH_ENV_ADOPTED) == 0)
        return {};
    return fail(Error(0, name + " was adopted: its processes are not ours to end", Fault::kUsage)
                    .advise("bulkhead release " + name));
}

int shell_status(std::uint32_t status) {
    const auto raw = static_cast<int>(status);
    return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

void fill_from_kernel(EnvironmentStatus& status, const bh_environment& record,
                      const bh_state& counted) {
    status.control = record.control;
    status.refused = std::accumulate(std::begin(counted.refused), std::end(counted.refused), 0ULL);
    status.audited = std::accumulate(std::begin(counted.audited), std::end(counted.audited), 0ULL);
    status.learned = counted.learned;
    status.unlearned = counted.unlearned;
    if (counted.exited_ns != 0)
        status.exit_code = shell_status(counted.exit_status);
}

Phase phase_of(const bh_environment& record, const bh_state& counted) {
    if (counted.exited_ns != 0)
        return Phase::kEnded;
    if ((record.flags & BH_ENV_ADOPTED) != 0)
        return Phase::kRunning;
    return record.init_pid == 0 ? Phase::kStarting : Phase::kRunning;
}

EnvironmentStatus describe(const loader::Environments& environments, const std::string& name) {
    EnvironmentStatus status;
    status.name = name;
    if (const auto label = environments.find(name)) {
        const bh_environment& record = *environments.record(*label);
        const bh_state& counted = *environments.state(*label);
        fill_from_kernel(status, record, counted);
        status.phase = phase_of(record, counted);
        if ((record.flags & BH_ENV_GOVERNED) != 0)
            if (auto plans = read_plans(environments, *label))
                status.plans = std::move(*plans);
    }
    auto directory = StateDirectory::open(name);
    auto state = directory ? directory->load() : fail(std::move(directory).error());
    if (state)
        status.state = std::move(*state);
    else if (status.phase != Phase::kStarting)
        status.phase = Phase::kBroken;
    if (!state)
        status.problem = state.error().message();
    return status;
}

std::set<std::string> all_names(const loader::Environments& environments) {
    const auto stored = stored_names();
    std::set<std::string> names(stored.begin(), stored.end());
    environments.for_each(
        [&](bh_label, const bh_environment& record) { names.insert(record.name); });
    return names;
}

// Records of another wire version cannot be read; the cgroup tells whether anything is fenced.
Status expect_all_ended() {
    const auto parent = Cgroup::open_parent();
    if (!parent && parent.error().code() == ENOENT)
        return {};
    if (!parent)
        return fail(Error(parent.error()));
    BULKHEAD_TRY_VALUE(populated, parent->populated());
    if (populated)
        return fail(Error(EBUSY,
                          "environments of another wire version are still fenced by the "
                          "programs")
                        .advise("end them with the bulkhead that started them: bulkhead list, "
                                "bulkhead destroy NAME"));
    for (const std::string& name : stored_names())
        BULKHEAD_TRY(Cgroup::remove(name));
    return {};
}

}  // namespace

const char* phase_name(Phase phase) {
    switch (phase) {
        case Phase::kStarting:
            return "starting";
        case Phase::kRunning:
            return "running";
        case Phase::kEnded:
            return "ended";
        case Phase::kBroken:
            break;
    }
    return "broken";
}

Result<loader::UnloadOutcome> unload_programs(loader::Unload how, UnloadCause cause,
                                              const std::function<void()>& store_ended) {
    if (auto environments = loader::Environments::open()) {
        sweep(*environments);
        sweep_unrecorded(*environments);
        store_ended();
    } else if (environments.error().code() == EPROTO) {
        BULKHEAD_TRY(expect_all_ended());
    }
    BULKHEAD_TRY_VALUE(is_protected, loader::is_protected());
    if (is_protected && how == loader::Unload::kForce)
        BULKHEAD_TRY(log_forced_unload());
    BULKHEAD_TRY_VALUE(outcome, loader::unload(how, Cgroup::remove_parent));
    if (outcome == loader::UnloadOutcome::kUnloaded)
        tell("unloaded", "",
             cause == UnloadCause::kIdle ? Json{{"cause", "idle"}} : Json::object());
    return outcome;
}

Result<loader::Environments> open_loaded() {
    auto environments = loader::Environments::open();
    if (environments || environments.error().code() != ENOENT)
        return environments;
    BULKHEAD_TRY_VALUE(loaded, loader::load_state());
    if (loaded == loader::LoadState::kAbsent)
        return fail(Error(ENOENT, "the kernel programs are not loaded").advise("bulkhead load"));
    return environments;
}

Result<bh_label> find_environment(const loader::Environments& environments,
                                  const std::string& name) {
    BULKHEAD_TRY(validate_name(name));
    const auto label = environments.find(name);
    if (!label)
        return fail(not_found(name));
    return *label;
}

Result<Cgroup> cgroup_of_environment(const loader::Environments& environments, bh_label label) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    auto directory = loader::open_cgroup(record->cgroup_id);
    if (!directory)
        return fail(std::move(directory).error());
    return Cgroup::over(std::move(*directory));
}

Result<std::vector<EnvironmentStatus>> list_environments() {
    std::vector<EnvironmentStatus> found;
    BULKHEAD_TRY_VALUE(loaded, loader::load_state());
    if (loaded == loader::LoadState::kAbsent)
        return found;
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    sweep(environments);
    sweep_unrecorded(environments);
    for (const std::string& name : all_names(environments))
        found.push_back(describe(environments, name));
    return found;
}

Result<EnvironmentStatus> environment_status(const std::string& name) {
    BULKHEAD_TRY(validate_name(name));
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    sweep(environments);
    sweep_unrecorded(environments);
    if (!all_names(environments).contains(name))
        return fail(not_found(name));
    return describe(environments, name);
}

Status signal_first_process(const loader::Environments& environments, bh_label label, int signal) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr || record->init_pid == 0)
        return {};
    const UniqueFd pidfd(
        static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(record->init_pid), 0)));
    // Ended in between, or its number belongs to another process by now: the label tells.
    if (!pidfd)
        return {};
    BULKHEAD_TRY_VALUE(owner, environments.label_of(pidfd.get()));
    if (owner && owner->serial == label.serial)
        ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
    return {};
}

Status stop_environment(const std::string& name, int signal, int grace_ms) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    BULKHEAD_TRY(refuse_adopted(environments, name));
    auto cgroup = Cgroup::open(name);
    // Somebody removed it, as can be done once its last process is gone.
    if (!cgroup && cgroup.error().code() == ENOENT) {
        sweep(environments);
        return {};
    }
    if (!cgroup)
        return fail(std::move(cgroup).error());
    BULKHEAD_TRY(signal_first_process(environments, label, signal));
    BULKHEAD_TRY_VALUE(ended, cgroup->wait_empty(grace_ms));
    if (!ended) {
        BULKHEAD_TRY(cgroup->kill_all());
        BULKHEAD_TRY(cgroup->wait_empty(-1));
    }
    sweep(environments);
    return {};
}

Status destroy_environment(const std::string& name, DestroyKind kind) {
    BULKHEAD_TRY(validate_name(name));
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    if (!all_names(environments).contains(name))
        return fail(not_found(name));
    BULKHEAD_TRY(refuse_adopted(environments, name));
    if (auto cgroup = Cgroup::open(name)) {
        BULKHEAD_TRY_VALUE(populated, cgroup->populated());
        if (populated && kind == DestroyKind::kEnded)
            return fail(Error(EBUSY, name + " is running")
                            .advise("bulkhead stop " + name + ", or destroy --force"));
        if (populated) {
            BULKHEAD_TRY(cgroup->kill_all());
            BULKHEAD_TRY(cgroup->wait_empty(-1));
        }
    }
    sweep(environments);
    BULKHEAD_TRY(remove_environment(environments, name));
    tell("destroyed", name, Json::object());
    return {};
}

}  // namespace bulkhead::runtime
