// bulkhead set: single classes or the mode of a running environment, by one store; limits,
// beancounters, budgets and plans.
#include <memory>

#include "cli/commands.h"
#include "cli/limit_options.h"
#include "cli/outcome.h"
#include "runtime/apply.h"
#include "runtime/beancounters.h"
#include "runtime/budgets.h"
#include "runtime/limits_set.h"
#include "runtime/plans.h"
#include "runtime/policy/classes.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    std::vector<std::string> allow;
    std::vector<std::string> refuse;
    std::string mode;
    std::vector<std::string> beancounters;
    std::vector<std::string> budgets;
    std::vector<std::string> plans;
    LimitOptions limits;
    bool json = false;
};

bool has_limits(const LimitOptions& options) {
    return !options.memory.empty() || !options.memory_min.empty() || !options.memory_low.empty() ||
           !options.swap.empty() || !options.cpus.empty() || options.cpu_weight ||
           options.io_weight || options.pids;
}

Result<loader::ControlChange> change_of(const Options& options) {
    loader::ControlChange change;
    for (const std::string& name : options.allow) {
        BULKHEAD_TRY_VALUE(class_id, policy::parse_class(name));
        change.allow |= 1ULL << class_id;
    }
    for (const std::string& name : options.refuse) {
        BULKHEAD_TRY_VALUE(class_id, policy::parse_class(name));
        change.refuse |= 1ULL << class_id;
    }
    if ((change.allow & change.refuse) != 0)
        return fail_usage("a class is allowed or refused, not both");
    if (!options.mode.empty()) {
        BULKHEAD_TRY_VALUE(mode, policy::parse_mode(options.mode));
        change.mode = mode;
    }
    return change;
}

Status set_policy(const Options& options) {
    if (options.allow.empty() && options.refuse.empty() && options.mode.empty())
        return {};
    BULKHEAD_TRY_VALUE(change, change_of(options));
    return runtime::change_policy(options.name, change);
}

Result<int> change(const Options& options) {
    if (options.allow.empty() && options.refuse.empty() && options.mode.empty() &&
        options.beancounters.empty() && options.budgets.empty() && options.plans.empty() &&
        !has_limits(options.limits))
        return fail_usage(
            "nothing to change: give --allow, --refuse, --mode, a limit, --beancounter, --budget "
            "or --plan");
    std::vector<runtime::BeancounterBounds> bounds;
    for (const std::string& text : options.beancounters) {
        BULKHEAD_TRY_VALUE(wanted, runtime::parse_bounds(text));
        bounds.push_back(wanted);
    }
    BULKHEAD_TRY_VALUE(budgets, runtime::parse_budgets(options.budgets));
    BULKHEAD_TRY_VALUE(plans, runtime::parse_plans(options.plans));
    BULKHEAD_TRY_VALUE(limits, limits_of(options.limits, Lifting::kTaken));
    BULKHEAD_TRY(set_policy(options));
    if (has_limits(options.limits))
        BULKHEAD_TRY(runtime::set_limits_of(options.name, limits));
    if (!bounds.empty())
        BULKHEAD_TRY(runtime::set_bounds_of(options.name, bounds));
    if (!budgets.empty())
        BULKHEAD_TRY(runtime::set_budgets_of(options.name, budgets));
    if (!plans.empty())
        BULKHEAD_TRY(runtime::set_plans_of(options.name, plans));
    if (options.json)
        print_outcome(options.name, "changed");
    return 0;
}

void declare_limits(OptionSet& set, LimitOptions& options) {
    const auto limit = [&](const char* name, auto& value, const char* help) {
        set.value(name, value, help).group("Limits");
    };
    limit("--memory", options.memory, "limit, such as 512M; unlimited");
    limit("--memory-min", options.memory_min, "guaranteed: not taken from it for others; 0");
    limit("--memory-low", options.memory_low, "guaranteed as long as others have any to give; 0");
    limit("--swap", options.swap, "limit of swap, such as 0 or 1G; unlimited");
    limit("--cpus", options.cpus, "limit of CPU time, such as 0.5; unlimited");
    limit("--cpu-weight", options.cpu_weight, "share under contention, 1 to 10000");
    limit("--io-weight", options.io_weight, "share of block I/O, 1 to 10000");
    limit("--pids", options.pids, "limit of processes and threads");
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.value("--allow", options->allow, "allow a class; repeatable");
    set.value("--refuse", options->refuse, "refuse a class; repeatable");
    set.value("--mode", options->mode, "enforce; audit: allow but record; learn: allow and learn");
    set.value("--beancounter", options->beancounters,
              "NAME=BARRIER:LIMIT, such as numfile=900:1000; repeatable");
    set.value("--budget", options->budgets,
              "KIND=AMOUNT/PERIOD, such as egress=10G/1d; KIND=unlimited; repeatable");
    set.value("--plan", options->plans,
              "memory=LEAST..MOST or cpus=LEAST..MOST: the agent moves the limit; memory=none; "
              "repeatable");
    declare_limits(set, options->limits);
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return change(*options); };
}

}  // namespace

const Command kSet = {"set", "change what a running environment may do", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
