// bulkhead unload: takes the programs and maps out; refused while somebody is fenced by them.
#include <cerrno>
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
    set.flag("--idle", options->idle,
             "where somebody needs them, say so and leave them: exit code 0");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> { return unload(*options); };
}

int tell_needed(const UnloadOptions& options, const Error& by) {
    std::puts(options.json ? R"({"loaded": true, "changed": false})" : by.message().c_str());
    return 0;
}

}  // namespace

Result<int> unload_and_tell(const UnloadOptions& options,
                            const std::function<void()>& store_ended) {
    const auto how = options.force ? loader::Unload::kForce : loader::Unload::kUnlessProtected;
    const auto cause = options.idle ? runtime::UnloadCause::kIdle : runtime::UnloadCause::kAsked;
    const auto outcome = runtime::unload_programs(how, cause, store_ended);
    if (!outcome && options.idle && outcome.error().code() == EBUSY)
        return tell_needed(options, outcome.error());
    if (!outcome)
        return fail(Error(outcome.error()));
    const bool changed = *outcome == loader::UnloadOutcome::kUnloaded;
    if (options.json)
        std::printf("{\"loaded\": false, \"changed\": %s}\n", changed ? "true" : "false");
    else
        std::puts(changed ? "unloaded" : "nothing is loaded");
    return 0;
}

const Command kUnload = {"unload", "take the kernel programs and maps out of the kernel",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
