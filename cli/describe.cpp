// bulkhead_describe bash|zsh|fish|policy|manual VERSION: run by the build, not installed.
#include "cli/describe.h"

#include <iostream>
#include <string_view>

#include "cli/command.h"
#include "runtime/policy/schema.h"

namespace bulkhead::cli {
namespace {

OptionText describe_option(const CLI::Option& option) {
    OptionText text{};
    for (const std::string& name : option.get_snames())
        text.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames())
        text.names.push_back("--" + name);
    text.description = option.get_description();
    text.takes = option.get_items_expected_max() == 0 ? Takes::kNothing : Takes::kValue;
    text.value = text.names.empty() ? option.get_name(true) : option.get_type_name();
    return text;
}

CommandText describe_command(const Command& command) {
    CLI::App app{std::string(command.summary), std::string(command.name)};
    const Action action = command.declare(app);
    CommandText text{std::string(command.name), std::string(command.summary), {}, {}};
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty())
            continue;
        OptionText described = describe_option(*option);
        (described.names.empty() ? text.positionals : text.options).push_back(described);
    }
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
