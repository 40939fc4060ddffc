// bulkhead load: the kernel programs and maps into the kernel, pinned. A second one is a no-op.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "loader/programs.h"

namespace bulkhead::cli {
namespace {

Action declare(OptionSet& set) {
    auto json = std::make_shared<bool>(false);
    set.flag("--json", *json, "print JSON");
    return [json](const Payload&) -> Result<int> {
        BULKHEAD_TRY_VALUE(outcome, loader::load());
        const bool changed = outcome == loader::LoadOutcome::kLoaded;
        if (*json)
            std::printf("{\"loaded\": true, \"changed\": %s}\n", changed ? "true" : "false");
        else
            std::puts(changed ? "loaded" : "loaded already");
        return 0;
    };
}

}  // namespace

const Command kLoad = {"load", "put the kernel programs and maps into the kernel", ExitCodes::kOwn,
                       declare};

}  // namespace bulkhead::cli
