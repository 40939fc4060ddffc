#include "runtime/remains.h"

#include <sys/wait.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "runtime/adopt.h"
#include "runtime/budgets_record.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/execs.h"
#include "runtime/guarantees.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/learned_record.h"
#include "runtime/receipts.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

// Ended, or reserved by a start that died half-way.
bool looks_over(const loader::Environments& environments, bh_label label,
                const bh_environment& record) {
    if ((record.flags & BH_ENV_ADOPTED) != 0)
        return false;
    const bh_state* state = environments.state(label);
    return record.init_pid == 0 || (state != nullptr && state->exited_ns != 0);
}

void tell_unminded_end(const loader::Environments& environments, const StateDirectory& directory,
                       const EnvironmentSpec& spec) {
    const auto label = environments.find(spec.name);
    const bh_state* counted = label ? environments.state(*label) : nullptr;
    if (counted == nullptr || counted->exited_ns == 0 || !directory.mark_end_told())
        return;
    const auto status = static_cast<int>(counted->exit_status);
    tell_of(unix_ns_of_boot_ns(counted->exited_ns), "ended", spec.name,
            {{"exit_code", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)}});
}

// Of an environment that ran. One that is kept has it stored at its end, and a mark that it is.
Status store_unless_stored(const loader::Environments& environments, const std::string& name,
                           bh_label label) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr || record->init_pid == 0)
        return {};
    const auto directory = StateDirectory::open(name);
    if (directory && directory->is_receipt_stored())
        return {};
    const auto state = directory ? directory->load() : fail(Error(directory.error()));
    const auto cgroup = Cgroup::open(name);
    const EnvironmentSpec spec = state ? state->spec : EnvironmentSpec{};
    BULKHEAD_TRY(cgroup ? store_final(environments, label, *cgroup, spec)
                        : store_last_read(environments, label, spec));
    return directory ? directory->mark_receipt_stored() : Status{};
}

void sweep_one(loader::Environments& environments, const std::string& name) {
    auto directory = StateDirectory::open(name);
    if (!directory) {
        // No state: a start that died before it had any.
        if (directory.error().code() == ENOENT)
            (void)remove_environment(environments, name);
        return;
    }
    const auto minded = directory->try_lock();
    if (!minded || !*minded)
        return;
    const auto state = directory->load();
    if (!state) {
        if (state.error().code() == ENOENT)
            (void)remove_environment(environments, name);
        return;
    }
    // One that somebody removed had nobody in it.
    if (const auto cgroup = Cgroup::open(name)) {
        if (const auto populated = cgroup->populated(); !populated || *populated)
            return;
    } else if (cgroup.error().code() != ENOENT) {
        return;
    }
    tell_unminded_end(environments, *directory, state->spec);
    const auto label = environments.find(name);
    // Without its receipt an environment is not removed: the next command tries again.
    if (label && store_learned(environments, state->spec) &&
        store_unless_stored(environments, name, *label) &&
        state->spec.afterlife == Afterlife::kRemove)
        (void)remove_stored(environments, name);
}

}  // namespace

void remove_remains(const std::string& name, bh_label label) {
    if (auto cgroup = Cgroup::open(name)) {
        (void)cgroup->kill_all();
        (void)cgroup->wait_empty(-1);
    }
    if (auto environments = loader::Environments::open(); environments && label.serial != 0) {
        (void)keep_budgets(*environments, label);
        (void)environments->withdraw(label);
    }
    (void)Cgroup::remove(name);
    settle_guarantees();
    (void)remove_state(name);
}

Status remove_environment(loader::Environments& environments, const std::string& name) {
    if (const auto label = environments.find(name))
        BULKHEAD_TRY(store_unless_stored(environments, name, *label));
    return remove_stored(environments, name);
}

Status remove_stored(loader::Environments& environments, const std::string& name) {
    if (const auto label = environments.find(name)) {
        BULKHEAD_TRY(store_execs_of(environments, *label));
        BULKHEAD_TRY(keep_budgets(environments, *label));
        BULKHEAD_TRY(environments.withdraw(*label));
    }
    BULKHEAD_TRY(Cgroup::remove(name));
    settle_guarantees();
    return remove_state(name);
}

void tell_end(const StateDirectory& directory, const EnvironmentSpec& spec, int exit_code) {
    // What is removed at once is not looked at again.
    if (spec.afterlife == Afterlife::kRemove || directory.mark_end_told())
        tell("ended", spec.name, {{"exit_code", exit_code}});
}

void sweep(loader::Environments& environments) {
    sweep_execs(environments);
    std::vector<std::string> over;
    std::vector<bh_label> adopted;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if ((record.flags & BH_ENV_ADOPTED) != 0)
            adopted.push_back(label);
        if (looks_over(environments, label, record))
            over.emplace_back(record.name);
    });
    for (const std::string& name : over)
        sweep_one(environments, name);
    for (const bh_label label : adopted)
        (void)sweep_adopted(environments, label, *environments.record(label));
}

void sweep_unrecorded(const loader::Environments& environments) {
    const auto root = lock_state_root();
    if (!root)
        return;
    for (const std::string& name : stored_names()) {
        if (environments.find(name))
            continue;
        auto directory = StateDirectory::open(name);
        const auto unminded = directory ? directory->try_lock() : false;
        if (!unminded || !*unminded)
            continue;
        // State that cannot be read is left for whoever asked about it; `destroy --force` takes it.
        const auto state = directory->load();
        if (!state && state.error().code() != ENOENT)
            continue;
        // Files that were to be kept are for `destroy` to take.
        if (state && state->spec.afterlife == Afterlife::kKeep)
            continue;
        // Its record went first: the removal was interrupted, or its start never got that far.
        if (Cgroup::remove(name)) {
            settle_guarantees();
            (void)remove_state(name);
        }
    }
}

}  // namespace bulkhead::runtime
