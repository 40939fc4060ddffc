// bulkhead agent: becomes bulkhead-agent.
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/helper_program.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string listen;
    std::string web_config;
    std::string idle_unload;
};

// Only what was given: where systemd passes a socket, --listen would contradict it.
std::vector<std::string> arguments_of(const Options& options, const std::string& program) {
    std::vector<std::string> arguments = {program};
    if (!options.listen.empty())
        arguments.insert(arguments.end(), {"--listen", options.listen});
    if (!options.web_config.empty())
        arguments.insert(arguments.end(), {"--web-config", options.web_config});
    if (!options.idle_unload.empty())
        arguments.insert(arguments.end(), {"--idle-unload", options.idle_unload});
    return arguments;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("--listen", options->listen,
              "ADDRESS:PORT of the endpoint (127.0.0.1:9750, or systemd's socket)");
    set.value("--web-config", options->web_config,
              "FILE with TLS certificates and users, in the form of Prometheus' exporters");
    set.value("--idle-unload", options->idle_unload,
              "DURATION without any environment after which the programs are unloaded, such as 10m "
              "(never); the next run loads them")
        .last_counts();
    return [options](const Payload&) -> Result<int> {
        const std::string program = helper_program("bulkhead-agent");
        std::vector<std::string> arguments = arguments_of(*options, program);
        std::vector<char*> words;
        words.reserve(arguments.size() + 1);
        for (std::string& argument : arguments)
            words.push_back(argument.data());
        words.push_back(nullptr);
        ::execv(program.c_str(), words.data());
        return fail_errno("execute " + program);
    };
}

}  // namespace

const Command kAgent = {"agent", "serve usage to Prometheus", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
