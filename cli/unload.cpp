// bulkhead unload: takes the programs and maps out; refused while environments live.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

Action declare(OptionSet& set) {
    auto options = std::make_shared<UnloadOptions>();
    set.flag("--force", options->force, "also where they are protected; this is logged");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> { return unload(*options); };
}

}  // namespace

Result<int> unload_and_tell(const UnloadOptions& options,
                            const std::function<void()>& store_ended) {
    const auto how = options.force ? loader::Unload::kForce : loader::Unload::kUnlessProtected;
    BULKHEAD_TRY_VALUE(outcome, runtime::unload_programs(how, store_ended));
    const bool changed = outcome == loader::UnloadOutcome::kUnloaded;
    if (options.json)
        std::printf("{\"loaded\": false, \"changed\": %s}\n", changed ? "true" : "false");
    else
        std::puts(changed ? "unloaded" : "nothing is loaded");
    return 0;
}

const Command kUnload = {"unload", "take the kernel programs and maps out of the kernel",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
