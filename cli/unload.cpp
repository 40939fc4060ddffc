// bulkhead unload: takes the programs and maps out; refused while environments live.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

Action declare(OptionSet& set) {
    auto json = std::make_shared<bool>(false);
    set.flag("--json", *json, "print JSON");
    return [json](const Payload&) -> Result<int> { return unload(*json); };
}

}  // namespace

Result<int> unload_and_tell(bool json, const std::function<void()>& store_ended) {
    BULKHEAD_TRY_VALUE(outcome, runtime::unload_programs(store_ended));
    const bool changed = outcome == loader::UnloadOutcome::kUnloaded;
    if (json)
        std::printf("{\"loaded\": false, \"changed\": %s}\n", changed ? "true" : "false");
    else
        std::puts(changed ? "unloaded" : "nothing is loaded");
    return 0;
}

const Command kUnload = {"unload", "take the kernel programs and maps out of the kernel",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
