// bulkhead stop: asks an environment to end, and ends it after a while.
#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/life.h"
#include "runtime/signal_name.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    std::string signal = "TERM";
    unsigned timeout_s = 10;
    bool json = false;
};

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.value("--signal", options->signal,
              "what the first process gets; TERM by default, SIGRTMIN+3 halts systemd");
    set.value("--timeout", options->timeout_s,
              "seconds between that signal and SIGKILL; 10 by default")
        .between(0U, 86'400U);
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        constexpr int kMillisecondsEach = 1000;
        BULKHEAD_TRY_VALUE(signal, runtime::parse_signal(options->signal));
        BULKHEAD_TRY(runtime::stop_environment(
            options->name, signal, static_cast<int>(options->timeout_s) * kMillisecondsEach));
        if (options->json)
            print_outcome(options->name, "stopped");
        return 0;
    };
}

}  // namespace

const Command kStop = {"stop", "end the processes of an environment", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
