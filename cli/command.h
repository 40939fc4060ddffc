// What a command is: a name, a line of help, its options, and what it does.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "loader/result.h"

namespace bulkhead::cli {

// What stands after "--" on the command line; it is not parsed.
using Payload = std::vector<std::string>;

// Runs the command whose options were parsed; the value is the exit code.
using Action = std::function<Result<int>(const Payload& payload)>;

// How a failure of ours is told apart from the payload's exit code.
enum class ExitCodes {
    kOwn,      // 1 failed, 2 usage, 3 this kernel cannot
    kPayload,  // 125 for all of these: the others are the payload's
};

struct Command {
    std::string_view name;
    std::string_view summary;
    ExitCodes exit_codes;
    // Adds the command's options to `set` and returns what it does once they are parsed. What
    // the options are stored in is owned by the action.
    Action (*declare)(OptionSet& set);
    // The same with at least the options that stand in `words`; nullptr: all, always. For a command
    // whose start must be cheap: declaring thirty options costs more than a process.
    Action (*declare_for)(OptionSet& set, std::span<char* const> words) = nullptr;
};

// All commands, in the order of the help. Defined in commands.cpp.
std::span<const Command> commands();

}  // namespace bulkhead::cli
