#include "runtime/apply.h"

#include <cerrno>
#include <utility>

#include "runtime/adopt_target.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/core_dumps.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/learned_record.h"
#include "runtime/life.h"
#include "runtime/policy/classes.h"
#include "runtime/policy/devices.h"
#include "runtime/policy_record.h"
#include "runtime/start.h"
#include "runtime/store.h"
#include "runtime/tree_paths.h"

namespace bulkhead::runtime {
namespace {

// What is remembered beside the record: the text, and what the policy is called.
Status remember(const std::string& name, std::uint32_t generation, const policy::Policy& policy,
                const std::string& source) {
    BULKHEAD_TRY(keep_policy(name, generation, policy.sources));
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    if (state.spec.policy.name == source)
        return {};
    state.spec.policy.name = source;
    return directory.save(state);
}

// Below the hierarchy's root.
std::string cgroup_of(const std::string& name, const EnvironmentSpec& spec) {
    if (!spec.adopted_cgroup.empty())
        return spec.adopted_cgroup;
    return std::string(kEnvironmentsCgroup).substr(std::string_view(kCgroupRoot).size()) + "/" +
           name;
}

// Whose root is the environment's.
Result<pid_t> first_process(const std::string& name, const bh_environment& record) {
    if (record.init_pid != 0)
        return static_cast<pid_t>(record.init_pid);
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    BULKHEAD_TRY_VALUE(pids, processes_in(cgroup_of(name, state.spec)));
    return pids.front();
}

// Where the paths of its rules lie now.
Status place_now(loader::Rules& rules, const std::string& name, const bh_environment& record,
                 const policy::Policy& policy) {
    if (rules.nodes.empty() && rules.policy.learned == 0)
        return {};
    BULKHEAD_TRY_VALUE(process, first_process(name, record));
    BULKHEAD_TRY(place_rules(rules, process, policy.sources));
    return note_root(name, process, rules);
}

Status settle_limits(const std::string& name, std::uint64_t control) {
    if (!refuses_core_dumps(control))
        return {};
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    return settle_core_dumps(cgroup_of(name, state.spec), control);
}

constexpr std::string_view kBySet = "bulkhead set --mode";

// Learning has rows of its own: the policy is published once more, with the mode as its last word.
Status publish_in_mode(const std::string& name, std::uint64_t control,
                       const loader::ControlChange& change) {
    if (change.allow != 0 || change.refuse != 0)
        return fail(Error(0, "the mode learn comes and goes alone", Fault::kUsage)
                        .advise("give --mode by itself"));
    const auto generation = static_cast<std::uint32_t>(BH_CONTROL_GENERATION(control));
    BULKHEAD_TRY_VALUE(kept, kept_policy(name, generation));
    std::vector<policy::Source> sources;
    if (kept)
        sources = std::move(kept->sources);
    if (!sources.empty() && sources.back().name == kBySet)
        sources.pop_back();
    const auto mode = static_cast<std::uint64_t>(*change.mode) << BH_CONTROL_MODE_SHIFT;
    sources.push_back(
        {std::string(kBySet), "mode = \"" + std::string(policy::mode_name(mode)) + "\"\n"});
    BULKHEAD_TRY_VALUE(policy, policy::compile(std::move(sources)));
    BULKHEAD_TRY(policy::find_devices(policy));
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    BULKHEAD_TRY(apply_policy(name, std::move(policy), state.spec.policy.name));
    return {};
}

}  // namespace

loader::Rules started_now(loader::Rules rules) {
    rules.policy.drift_ns = unix_ns_of_boot_ns(boot_time_ns());
    return rules;
}

Result<std::uint32_t> apply_policy(const std::string& name, policy::Policy policy,
                                   const std::string& source) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    loader::Rules& rules = policy.rules;
    rules.policy.drift_ns = unix_ns_of_boot_ns(environments.record(label)->started_ns);
    BULKHEAD_TRY(place_now(rules, name, *environments.record(label), policy));
    std::uint32_t published = 0;
    BULKHEAD_TRY(environments.publish_rules(label, rules, [&](std::uint32_t generation) {
        published = generation;
        return remember(name, generation, policy, source);
    }));
    tell("policy", name, {{"policy", source}, {"generation", published}});
    BULKHEAD_TRY(settle_limits(name, rules.control));
    return published;
}

Status change_policy(const std::string& name, const loader::ControlChange& change) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    const std::uint64_t before = environments.record(label)->control;
    if (change.mode && (*change.mode == BH_MODE_LEARN || BH_CONTROL_MODE(before) == BH_MODE_LEARN))
        return publish_in_mode(name, before, change);
    BULKHEAD_TRY(environments.change(label, change));
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return {};
    const std::uint64_t control = record->control;
    tell("policy", name, {{"generation", BH_CONTROL_GENERATION(control)}, {"control", control}});
    return settle_limits(name, control);
}

}  // namespace bulkhead::runtime
