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

Action declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "the environment")->required();
    app.add_flag("-f,--force", options->force, "kill what runs in it");
    app.add_flag("--json", options->json, "print JSON");
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
