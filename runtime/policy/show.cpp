// A policy as it holds, written out: what was overridden is left out, and each line says where it
// comes from.
#include "runtime/policy/show.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "runtime/policy/toml_text.h"

namespace bulkhead::policy {
namespace {

bool adds_to_its_base(Key key) {
    switch (key) {
        case Key::kAllow:
        case Key::kRead:
        case Key::kWrite:
        case Key::kAppend:
        case Key::kRefuse:
        case Key::kExecute:
        case Key::kNetworkAllow:
        case Key::kNetworkRefuse:
        case Key::kNetworkDrop:
        case Key::kIpcSignal:
        case Key::kIpcConnect:
        case Key::kIpcShareMemory:
            return true;
        default:
            return false;
    }
}

// Statements of one subject replace each other: the last source's holds.
std::string subject_of(const Statement& statement) {
    if (!adds_to_its_base(statement.key->key))
        return key_title(*statement.key);
    if (statement.key->section == Section::kIpc)
        return key_title(*statement.key) + " " + statement.value;
    const bool execute = statement.key->key == Key::kExecute;
    return std::string(section_name(statement.key->section)) + (execute ? " x " : " ") +
           statement.value;
}

class Writer {
public:
    explicit Writer(const Policy& policy) : policy_(policy) {
        for (const Statement& statement : policy.statements)
            last_source_[subject_of(statement)] = statement.place.source;
    }

    std::string write() {
        for (std::size_t i = 0; i < kSectionCount; ++i)
            write_section(static_cast<Section>(i));
        return std::move(text_);
    }

    std::string write_without_learning(Section section) {
        learning_is_shown_ = false;
        write_section(section);
        return std::move(text_);
    }

    std::string write_one(Key key) {
        for (const KeyInfo& info : keys()) {
            if (const auto said = statements_of(info); info.key == key && !said.empty())
                write_key(info, said);
        }
        return std::move(text_);
    }

private:
    [[nodiscard]] bool holds(const Statement& statement) const {
        return last_source_.at(subject_of(statement)) == statement.place.source;
    }

    void write_section(Section section) {
        bool titled = section == Section::kTop;
        for (const KeyInfo& info : keys()) {
            // What it extends is written out here.
            if (info.section != section || info.key == Key::kExtends)
                continue;
            const std::vector<const Statement*> said = statements_of(info);
            if (said.empty())
                continue;
            if (!titled)
                text_ += "\n[" + std::string(section_name(section)) + "]\n";
            titled = true;
            write_key(info, said);
        }
    }

    std::vector<const Statement*> statements_of(const KeyInfo& info) const {
        std::vector<const Statement*> said;
        for (const Statement& statement : policy_.statements) {
            // Keys that are a class each share their number.
            const bool is_shown =
                learning_is_shown_ || info.name != "mode" || statement.value != "learn";
            if (statement.key == &info && holds(statement) && is_shown)
                said.push_back(&statement);
        }
        return said;
    }

    void write_key(const KeyInfo& info, const std::vector<const Statement*>& said) {
        const std::string name(info.name);
        const bool is_list = info.kind == Kind::kTexts || info.kind == Kind::kChoices ||
                             said.front()->form == Form::kList;
        if (!is_list)
            return line(name + " = " + quoted(said.back()->value), said.back()->place);
        const bool is_empty = std::all_of(said.begin(), said.end(), [](const Statement* one) {
            return one->form == Form::kList;
        });
        if (is_empty)
            return line(name + " = []", said.back()->place);
        text_ += name + " = [\n";
        for (const Statement* one : said) {
            if (one->form == Form::kValue)
                line("  " + quoted(one->value) + ",", one->place);
        }
        text_ += "]\n";
    }

    void line(std::string what, const Place& place) {
        text_ += with_comment(
            std::move(what), policy_.sources[place.source].name + ":" + std::to_string(place.line));
    }

    const Policy& policy_;
    std::map<std::string, std::uint32_t> last_source_;
    std::string text_;
    bool learning_is_shown_ = true;
};

}  // namespace

std::string effective_text(const Policy& policy) {
    return Writer(policy).write();
}

std::string section_text(const Policy& policy, Section section) {
    return Writer(policy).write_without_learning(section);
}

std::string key_text(const Policy& policy, Key key) {
    return Writer(policy).write_one(key);
}

}  // namespace bulkhead::policy
