// The options of a command. CLI11 parses them, out of sight: its header makes objects in every file
// that has it, anew at each start, and takes the compiler seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace bulkhead::cli {

enum class Takes { kNothing, kValue };

// An option as data, for completions and the manual page.
struct OptionText {
    std::vector<std::string> names;  // "-t", "--template"; empty: a positional argument
    std::string value;               // "NAME" of a positional argument, "DIR" of an option's value
    std::string description;
    Takes takes;
};

// One option of an OptionSet, which owns it.
class Option {
public:
    explicit Option(CLI::Option& option) : option_(&option) {}

    Option& required();
    Option& excludes(const Option& other);
    // The heading of the help that it stands under.
    Option& group(const char* heading);
    Option& one_of(const std::vector<std::string>& values);
    Option& between(double least, double most);
    Option& between(unsigned least, unsigned most);
    // Given again, the last one counts.
    Option& last_counts();
    // The help shows the value that the variable has now.
    Option& shows_default();

private:
    CLI::Option* option_;
};

class OptionSet {
public:
    OptionSet(const std::string& summary, const std::string& program);
    OptionSet(const OptionSet&) = delete;
    OptionSet& operator=(const OptionSet&) = delete;
    ~OptionSet();

    // `names` is "-n,--name", or a bare NAME of a positional argument. The variable lives at least
    // as long as the set, and keeps its value when the option is not given.
    Option value(const char* names, std::string& variable, const char* help);
    Option value(const char* names, std::optional<std::uint64_t>& variable, const char* help);
    Option value(const char* names, unsigned& variable, const char* help);
    Option value(const char* names, double& variable, const char* help);
    // Repeatable, a value each time.
    Option value(const char* names, std::vector<std::string>& variable, const char* help);
    Option flag(const char* names, bool& variable, const char* help);
    // One or more positional arguments.
    Option words(const char* name, std::vector<std::string>& variable, const char* help);

    // An option that was declared; `name` is "--name".
    [[nodiscard]] Option find(const char* name) const;
    [[nodiscard]] bool was_given(const char* name) const;
    // What stands below the options in the help.
    void footer(const char* text);

    // Only for the program itself, whose first word is a command.
    void add_command(const std::string& name, const std::string& summary);
    void set_version(const char* version);

    // kAnswered: help or version were asked for, and printed. The error says what is wrong.
    enum class Parsed { kOptions, kAnswered };
    Result<Parsed> parse(int argc, const char* const* argv);

    // In the order of their declaration, --help first.
    [[nodiscard]] std::vector<OptionText> texts() const;

private:
    std::unique_ptr<CLI::App> app_;
};

}  // namespace bulkhead::cli
