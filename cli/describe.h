// The commands as data: what completions and the manual page are written from.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/options.h"

namespace bulkhead::cli {

struct CommandText {
    std::string name;
    std::string summary;
    std::vector<OptionText> options;      // --help among them
    std::vector<OptionText> positionals;  // in their order
};

// All commands with all options that are not hidden.
std::vector<CommandText> describe_commands();

void write_bash(std::ostream& out, const std::vector<CommandText>& commands);
void write_zsh(std::ostream& out, const std::vector<CommandText>& commands);
void write_fish(std::ostream& out, const std::vector<CommandText>& commands);
// Copies the page from `in`; the line @COMMANDS@ becomes the commands, @VERSION@ `version`.
void write_manual(std::istream& in, std::ostream& out, const std::vector<CommandText>& commands,
                  const std::string& version);

}  // namespace bulkhead::cli
