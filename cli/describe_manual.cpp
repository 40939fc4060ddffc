// The manual page: prose from docs/bulkhead.1.in, commands from their tables.
#include <istream>
#include <ostream>

#include "cli/describe.h"

namespace bulkhead::cli {
namespace {

// roff takes "-" for a hyphen and "\" for its escape.
std::string roff(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '-')
            escaped += "\\-";
        else if (c == '\\')
            escaped += "\\e";
        else
            escaped += c;
    }
    return escaped;
}

void write_synopsis(std::ostream& out, const CommandText& command) {
    out << ".SS \"bulkhead " << command.name << (command.options.empty() ? "" : " [OPTIONS]");
    for (const OptionText& argument : command.positionals)
        out << " " << roff(argument.value);
    out << "\"\n" << roff(command.summary) << ".\n";
}

void write_option(std::ostream& out, const OptionText& option) {
    out << ".TP\n";
    if (option.names.empty())
        out << "\\fI" << roff(option.value) << "\\fR\n";
    for (std::size_t i = 0; i < option.names.size(); ++i)
        out << (i == 0 ? "" : ", ") << "\\fB" << roff(option.names[i]) << "\\fR";
    if (!option.names.empty())
        out << (option.takes == Takes::kValue ? " \\fI" + roff(option.value) + "\\fR" : "") << "\n";
    out << roff(option.description) << "\n";
}

void write_command(std::ostream& out, const CommandText& command) {
    write_synopsis(out, command);
    for (const OptionText& argument : command.positionals)
        write_option(out, argument);
    for (const OptionText& option : command.options)
        write_option(out, option);
}

}  // namespace

void write_manual(std::istream& in, std::ostream& out, const std::vector<CommandText>& commands,
                  const std::string& version) {
    constexpr std::string_view kVersion = "@VERSION@";
    for (std::string line; std::getline(in, line);) {
        if (line == "@COMMANDS@") {
            for (const CommandText& command : commands)
                write_command(out, command);
            continue;
        }
        if (const std::size_t at = line.find(kVersion); at != std::string::npos)
            line.replace(at, kVersion.size(), version);
        out << line << "\n";
    }
}

}  // namespace bulkhead::cli
