// bulkhead_describe bash|zsh|fish|policy|manual VERSION: run by the build, not installed.
#include "cli/describe.h"

#include <iostream>
#include <string_view>

#include "cli/command.h"
#include "runtime/policy/schema.h"

namespace bulkhead::cli {
namespace {

CommandText describe_command(const Command& command) {
    OptionSet set(std::string(command.summary), std::string(command.name));
    const Action action = command.declare(set);
    CommandText text{std::string(command.name), std::string(command.summary), {}, {}};
    for (const OptionText& option : set.texts())
        (option.names.empty() ? text.positionals : text.options).push_back(option);
    return text;
}

int describe(int argc, char** argv) {
    const std::string_view kind = argc > 1 ? argv[1] : "";
    const std::vector<CommandText> commands = describe_commands();
    if (kind == "bash")
        write_bash(std::cout, commands);
    else if (kind == "zsh")
        write_zsh(std::cout, commands);
    else if (kind == "fish")
        write_fish(std::cout, commands);
    else if (kind == "policy")
        std::cout << policy::reference();
    else if (kind == "manual" && argc == 3)
        write_manual(std::cin, std::cout, commands, argv[2]);
    else
        return 2;
    return std::cout.flush() ? 0 : 1;
}

}  // namespace

std::vector<CommandText> describe_commands() {
    std::vector<CommandText> described;
    for (const Command& command : commands())
        described.push_back(describe_command(command));
    return described;
}

}  // namespace bulkhead::cli

int main(int argc, char** argv) {
    return bulkhead::cli::describe(argc, argv);
}
