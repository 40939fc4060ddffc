// bulkhead destroy: removes an environment that has ended, or with --force any.
#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool force = false;
    bool json = false;
};

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.flag("-f,--force", options->force, "kill what runs in it");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        BULKHEAD_TRY(runtime::destroy_environment(
            options->name,
            options->force ? runtime::DestroyKind::kForce : runtime::DestroyKind::kEnded));
        if (options->json)
            print_outcome(options->name, "destroyed");
        return 0;
    };
}

}  // namespace

const Command kDestroy = {"destroy", "remove an environment", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
