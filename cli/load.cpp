// bulkhead load: the kernel programs and maps into the kernel, pinned. A second one is a no-op.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/helper_program.h"
#include "loader/guard.h"
#include "loader/programs.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    bool protect = false;
    bool json = false;
};

// Whether that changed anything.
Result<bool> protect() {
    const loader::OurExecutables ours{.command = "/proc/self/exe",
                                      .ledger = helper_program("bulkhead-ledger"),
                                      .agent = helper_program("bulkhead-agent")};
    BULKHEAD_TRY_VALUE(outcome, loader::protect({.executables = ours, .leave_out = {}}));
    return outcome == loader::ProtectOutcome::kProtected;
}

Result<int> load(const Options& options) {
    BULKHEAD_TRY_VALUE(outcome, loader::load());
    bool changed = outcome == loader::LoadOutcome::kLoaded;
    if (options.protect) {
        BULKHEAD_TRY_VALUE(is_new, protect());
        changed = changed || is_new;
    }
    BULKHEAD_TRY_VALUE(is_protected, loader::is_protected());
    const std::string what = is_protected ? "loaded and protected" : "loaded";
    if (options.json)
        std::puts(Json{{"loaded", true}, {"changed", changed}, {"protected", is_protected}}
                      .compact()
                      .c_str());
    else
        std::puts((changed ? what : what + " already").c_str());
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.flag("--protect", options->protect,
             "keep the host's other programs from our maps, programs, pins and agent; ended by "
             "unload --force");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return load(*options); };
}

}  // namespace

const Command kLoad = {"load", "put the kernel programs and maps into the kernel", ExitCodes::kOwn,
                       declare};

}  // namespace bulkhead::cli
