#include "cli/options.h"

#include <CLI/CLI.hpp>

namespace bulkhead::cli {
namespace {

OptionText text_of(const CLI::Option& option) {
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

}  // namespace

Option& Option::required() {
    option_->required();
    return *this;
}

Option& Option::excludes(const Option& other) {
    option_->excludes(other.option_);
    return *this;
}

Option& Option::group(const char* heading) {
    option_->group(heading);
    return *this;
}

Option& Option::one_of(const std::vector<std::string>& values) {
    option_->check(CLI::IsMember(values));
    return *this;
}

Option& Option::between(double least, double most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option& Option::between(unsigned least, unsigned most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option& Option::last_counts() {
    option_->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return *this;
}

Option& Option::shows_default() {
    option_->capture_default_str();
    return *this;
}

OptionSet::OptionSet(const std::string& summary, const std::string& program)
    : app_(std::make_unique<CLI::App>(summary, program)) {}

OptionSet::~OptionSet() = default;

Option OptionSet::value(const char* names, std::string& variable, const char* help) {
    return Option(*app_->add_option(names, variable, help));
}

Option OptionSet::value(const char* names, std::optional<std::uint64_t>& variable,
                        const char* help) {
    return Option(*app_->add_option(names, variable, help));
}

Option OptionSet::value(const char* names, unsigned& variable, const char* help) {
    return Option(*app_->add_option(names, variable, help));
}

Option OptionSet::value(const char* names, double& variable, const char* help) {
    return Option(*app_->add_option(names, variable, help));
}

Option OptionSet::value(const char* names, std::vector<std::string>& variable, const char* help) {
    return Option(*app_->add_option(names, variable, help)->allow_extra_args(false));
}

Option OptionSet::flag(const char* names, bool& variable, const char* help) {
    return Option(*app_->add_flag(names, variable, help));
}

Option OptionSet::words(const char* name, std::vector<std::string>& variable, const char* help) {
    return Option(*app_->add_option(name, variable, help));
}

Option OptionSet::find(const char* name) const {
    return Option(*app_->get_option(name));
}

bool OptionSet::was_given(const char* name) const {
    const CLI::Option* option = app_->get_option_no_throw(name);
    return option != nullptr && !option->empty();
}

void OptionSet::footer(const char* text) {
    app_->footer(text);
}

void OptionSet::add_command(const std::string& name, const std::string& summary) {
    app_->require_subcommand(1);
    app_->add_subcommand(name, summary);
}

void OptionSet::set_version(const char* version) {
    app_->set_version_flag("--version", version);
}

Result<OptionSet::Parsed> OptionSet::parse(int argc, const char* const* argv) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() != 0)
            return fail_usage(error.what());
        app_->exit(error);  // prints
        return Parsed::kAnswered;
    }
    return Parsed::kOptions;
}

std::vector<OptionText> OptionSet::texts() const {
    std::vector<OptionText> texts;
    for (const CLI::Option* option : app_->get_options()) {
        if (!option->get_group().empty())
            texts.push_back(text_of(*option));
    }
    return texts;
}

}  // namespace bulkhead::cli
