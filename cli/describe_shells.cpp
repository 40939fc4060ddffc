// Completions. After "--" stands the payload: there the shell completes commands and files.
#include <ostream>

#include "cli/describe.h"

namespace bulkhead::cli {
namespace {

// Within single quotes of a shell; the summaries have no quotes of their own but apostrophes.
std::string quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

// zsh takes a colon and brackets of a description for its own syntax.
std::string zsh_text(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == ':' || c == '[' || c == ']')
            escaped += '\\';
        escaped += c;
    }
    return escaped;
}

std::string option_names(const CommandText& command) {
    std::string names;
    for (const OptionText& option : command.options)
        for (const std::string& name : option.names)
            names += (names.empty() ? "" : " ") + name;
    return names;
}

void write_zsh_option(std::ostream& out, const OptionText& option) {
    std::string meaning = "[";
    meaning += zsh_text(option.description);
    meaning += "]";
    if (option.takes == Takes::kValue)
        meaning += ":value:_files";
    for (const std::string& name : option.names)
        out << "            " << quoted(name + meaning) << " \\\n";
}

void write_fish_option(std::ostream& out, const CommandText& command, const OptionText& option) {
    out << "complete -c bulkhead -n '__fish_seen_subcommand_from " << command.name << "'";
    for (const std::string& name : option.names)
        out << (name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
    out << (option.takes == Takes::kValue ? " -r" : "") << " -d " << quoted(option.description)
        << "\n";
}

}  // namespace

void write_bash(std::ostream& out, const std::vector<CommandText>& commands) {
    out << "# bash completion for bulkhead, written by the build from its commands.\n"
           "_bulkhead() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} i options\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        [[ ${COMP_WORDS[i]} == -- ]] && COMPREPLY=($(compgen -c -f -- \"$word\")) && "
           "return\n"
           "    done\n"
           "    if ((COMP_CWORD == 1)); then\n"
           "        COMPREPLY=($(compgen -W '--help --version";
    for (const CommandText& command : commands)
        out << " " << command.name;
    out << "' -- \"$word\"))\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n";
    for (const CommandText& command : commands)
        out << "        " << command.name << ") options='" << option_names(command) << "' ;;\n";
    out << "        *) return ;;\n"
           "    esac\n"
           "    if [[ $word == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
           "    fi\n"
           "}\n"
           "complete -o filenames -F _bulkhead bulkhead\n";
}

void write_zsh(std::ostream& out, const std::vector<CommandText>& commands) {
    out << "#compdef bulkhead\n"
           "# zsh completion for bulkhead, written by the build from its commands.\n"
           "_bulkhead() {\n"
           "    local -a commands=(\n";
    for (const CommandText& command : commands)
        out << "        " << quoted(command.name + ":" + zsh_text(command.summary)) << "\n";
    out << "    )\n"
           "    if ((CURRENT == 2)); then\n"
           "        _describe command commands\n"
           "        _arguments '--help[list the commands]' '--version[print the version]'\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words\n"
           "    ((CURRENT--))\n"
           "    case $command in\n";
    for (const CommandText& command : commands) {
        out << "        " << command.name << ")\n            _arguments -S \\\n";
        for (const OptionText& option : command.options)
            write_zsh_option(out, option);
        out << "            '*:argument:_files' ;;\n";
    }
    out << "    esac\n"
           "}\n"
           "_bulkhead \"$@\"\n";
}

void write_fish(std::ostream& out, const std::vector<CommandText>& commands) {
    out << "# fish completion for bulkhead, written by the build from its commands.\n";
    for (const CommandText& command : commands) {
        out << "complete -c bulkhead -n __fish_use_subcommand -a " << command.name << " -d "
            << quoted(command.summary) << "\n";
        for (const OptionText& option : command.options)
            write_fish_option(out, command, option);
    }
}

}  // namespace bulkhead::cli
