// bulkhead load: the kernel programs and maps into the kernel, pinned. A second one is a no-op.
#include <cstdio>

#include "cli/commands.h"
#include "loader/programs.h"

namespace bulkhead::cli {
namespace {

Action declare(CLI::App& app) {
    (void)app;
    return [](const Payload&) -> Result<int> {
        BULKHEAD_TRY_VALUE(outcome, loader::load());
        std::puts(outcome == loader::LoadOutcome::kLoaded ? "loaded" : "loaded already");
        return 0;
    };
}

}  // namespace

const Command kLoad = {"load", "put the kernel programs and maps into the kernel", ExitCodes::kOwn,
                       declare};

}  // namespace bulkhead::cli
