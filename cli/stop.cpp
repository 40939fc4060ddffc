// bulkhead stop: asks an environment to end, and ends it after a while.
#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    unsigned timeout_s = 10;
    bool json = false;
};

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.value("--timeout", options->timeout_s, "seconds between SIGTERM and SIGKILL; 10 by default")
        .between(0U, 86'400U);
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        constexpr int kMillisecondsEach = 1000;
        BULKHEAD_TRY(runtime::stop_environment(
            options->name, static_cast<int>(options->timeout_s) * kMillisecondsEach));
        if (options->json)
            print_outcome(options->name, "stopped");
        return 0;
    };
}

}  // namespace

const Command kStop = {"stop", "end the processes of an environment", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
