// bulkhead adopt: fences and meters what runs already.
#include "runtime/adopt.h"

#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/policy/policy.h"

namespace bulkhead::cli {
namespace {

struct Options {
    runtime::AdoptSpec spec;
    std::string policy;
    bool json = false;
};

Result<int> adopt(Options& options) {
    BULKHEAD_TRY_VALUE(policy, policy::load_enforced(options.policy));
    options.spec.policy = {std::move(policy.rules), options.policy, std::move(policy.sources)};
    BULKHEAD_TRY_VALUE(name, runtime::adopt(options.spec));
    if (options.json)
        print_outcome(name, "adopted");
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("TARGET", options->spec.target,
              "a cgroup's path, the id of a process in it, or a unit's name")
        .required();
    set.value("--policy", options->policy,
              "a profile or a file; audit shows what the default would refuse")
        .required();
    set.value("--name", options->spec.name, "of the environment; the cgroup's by default");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return adopt(*options); };
}

}  // namespace

const Command kAdopt = {"adopt", "fence and meter what runs already", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
