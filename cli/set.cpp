// bulkhead set: another policy for a running environment, by one store.
#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/life.h"
#include "runtime/policy/classes.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    std::vector<std::string> allow;
    std::vector<std::string> refuse;
    std::string mode;
    bool json = false;
};

Result<std::uint64_t> changed_control(const Options& options, std::uint64_t control) {
    for (const std::string& name : options.allow) {
        BULKHEAD_TRY_VALUE(class_id, policy::parse_class(name));
        control = loader::allowing(control, class_id);
    }
    for (const std::string& name : options.refuse) {
        BULKHEAD_TRY_VALUE(class_id, policy::parse_class(name));
        control = loader::refusing(control, class_id);
    }
    if (!options.mode.empty()) {
        BULKHEAD_TRY_VALUE(mode, policy::parse_mode(options.mode));
        control = loader::with_mode(control, mode);
    }
    return control;
}

Result<int> set(const Options& options) {
    if (options.allow.empty() && options.refuse.empty() && options.mode.empty())
        return fail_usage("nothing to change: give --allow, --refuse or --mode");
    BULKHEAD_TRY_VALUE(environments, runtime::open_loaded());
    BULKHEAD_TRY_VALUE(label, runtime::find_environment(environments, options.name));
    BULKHEAD_TRY_VALUE(control, changed_control(options, environments.record(label)->control));
    BULKHEAD_TRY(environments.set_control(label, control));
    if (options.json)
        print_outcome(options.name, "changed");
    return 0;
}

Action declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "the environment")->required();
    app.add_option("--allow", options->allow, "allow a class; repeatable")->allow_extra_args(false);
    app.add_option("--refuse", options->refuse, "refuse a class; repeatable")
        ->allow_extra_args(false);
    app.add_option("--mode", options->mode, "enforce, or audit: allow but record");
    app.add_flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return set(*options); };
}

}  // namespace

const Command kSet = {"set", "change what a running environment may do", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
