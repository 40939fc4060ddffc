// bulkhead unload: takes the programs and maps out; refused while environments live.
#include <cstdio>

#include "cli/commands.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

Action declare(CLI::App& app) {
    (void)app;
    return [](const Payload&) -> Result<int> {
        BULKHEAD_TRY_VALUE(outcome, runtime::unload_programs());
        std::puts(outcome == loader::UnloadOutcome::kUnloaded ? "unloaded" : "nothing is loaded");
        return 0;
    };
}

}  // namespace

const Command kUnload = {"unload", "take the kernel programs and maps out of the kernel",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
