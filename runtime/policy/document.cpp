#include "runtime/policy/document.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "runtime/policy/plain_lists.h"
#include "runtime/policy/stray.h"
#include "runtime/policy/toml.h"

namespace bulkhead::policy {
namespace {

// A key and where it stands: tables come by the alphabet, rules are numbered as they are written.
struct Written {
    Section section;
    const toml::key* key;
    const toml::node* node;
};

class Reader {
public:
    Reader(std::uint32_t source, const std::vector<PlainList>& lists, Mistakes& mistakes)
        : source_(source), lists_(lists), mistakes_(mistakes) {}

    std::vector<Statement> read(const toml::table& top) {
        for (const auto& [key, node] : top)
            find_keys(key, node);
        std::sort(keys_.begin(), keys_.end(), [](const Written& a, const Written& b) {
            const auto &first = a.key->source().begin, &second = b.key->source().begin;
            return std::tie(first.line, first.column) < std::tie(second.line, second.column);
        });
        for (const Written& one : keys_)
            read_key(one.section, *one.key, *one.node);
        return std::move(statements_);
    }

private:
    [[nodiscard]] Place place(const toml::source_region& region) const {
        return {source_, region.begin.line, region.begin.column};
    }

    void mistake(const toml::source_region& region, std::string what) {
        mistakes_.add(place(region), std::move(what));
    }

    void find_keys(const toml::key& key, const toml::node& node) {
        const auto section = find_section(key.str());
        if (!section)
            return keys_.push_back({Section::kTop, &key, &node});
        const toml::table* table = node.as_table();
        if (table == nullptr)
            return mistake(key.source(), std::string(key.str()) + " is a section: write [" +
                                             std::string(key.str()) + "] on a line of its own");
        for (const auto& [name, value] : *table)
            keys_.push_back({*section, &name, &value});
    }

    void unknown(Section section, const toml::key& key, const toml::node& node) {
        std::vector<std::string_view> known = key_names(section);
        const std::string name(key.str());
        if (section != Section::kTop)
            return mistake(key.source(), "[" + std::string(section_name(section)) +
                                             "] has no key " + name + did_you_mean(name, known));
        for (std::size_t i = 1; i < kSectionCount; ++i)
            known.push_back(section_name(static_cast<Section>(i)));
        mistake(key.source(), std::string("there is no ") +
                                  (node.is_table() ? "section " : "key ") + name +
                                  did_you_mean(name, known));
    }

    void read_key(Section section, const toml::key& key, const toml::node& node) {
        const KeyInfo* info = find_key(section, key.str());
        if (info == nullptr)
            return unknown(section, key, node);
        const toml::array* list = node.as_array();
        const bool is_either = info->kind == Kind::kChoiceOrTexts;
        const bool is_list = info->kind == Kind::kTexts || info->kind == Kind::kChoices;
        if (is_either && list == nullptr && !node.is_string())
            return mistake(node.source(),
                           key_title(*info) + ": a text in quotes or a list of them is expected");
        if (!is_list && (!is_either || list == nullptr))
            return read_text(*info, node, info->choices);
        if (list == nullptr)
            return mistake(node.source(), key_title(*info) + " is a list: [\"…\"]");
        const std::string_view choices = is_either ? std::string_view() : info->choices;
        statements_.push_back({info, place(key.source()), "", Form::kList});
        for (const toml::node& entry : *list)
            read_text(*info, entry, choices);
        if (const PlainList* plain = plain_list(key.source().begin.line))
            read_plain(*info, *plain, choices);
    }

    // nullptr: no plain list was taken out of this line.
    [[nodiscard]] const PlainList* plain_list(std::uint32_t line) const {
        const auto found = std::lower_bound(
            lists_.begin(), lists_.end(), line,
            [](const PlainList& list, std::uint32_t sought) { return list.line < sought; });
        return found == lists_.end() || found->line != line ? nullptr : &*found;
    }

    void read_plain(const KeyInfo& info, const PlainList& plain, std::string_view choices) {
        statements_.reserve(statements_.size() + plain.entries.size());
        for (const PlainText& entry : plain.entries)
            add_text(info, {source_, entry.line, entry.column}, entry.value, choices);
    }

    void read_text(const KeyInfo& info, const toml::node& node, std::string_view choices) {
        const auto* text = node.as_string();
        if (text == nullptr)
            return mistake(node.source(), key_title(info) + ": a text in quotes is expected");
        if (text->get().find('\0') != std::string::npos)
            return mistake(node.source(), key_title(info) + ": a text cannot have a zero byte");
        add_text(info, place(node.source()), text->get(), choices);
    }

    void add_text(const KeyInfo& info, const Place& place, std::string_view value,
                  std::string_view choices) {
        if (choices.empty() || is_choice(info, value, place))
            statements_.push_back({&info, place, std::string(value), Form::kValue});
    }

    bool is_choice(const KeyInfo& info, std::string_view value, const Place& place) {
        const auto choices = split_choices(info.choices);
        if (std::find(choices.begin(), choices.end(), value) != choices.end())
            return true;
        std::string list;
        for (const std::string_view choice : choices)
            list += (list.empty() ? "\"" : ", \"") + std::string(choice) + "\"";
        mistakes_.add(place, key_title(info) + " cannot be \"" + std::string(value) + "\", only " +
                                 list + did_you_mean(value, choices));
        return false;
    }

    std::uint32_t source_;
    const std::vector<PlainList>& lists_;
    Mistakes& mistakes_;
    std::vector<Written> keys_;
    std::vector<Statement> statements_;
};

Place place_of(std::uint32_t source, std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t begin = before.find_last_of('\n') + 1;
    return {source, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(at - begin + 1)};
}

}  // namespace

std::vector<Statement> read_statements(const std::vector<Source>& sources, std::uint32_t index,
                                       Mistakes& mistakes) {
    const std::string& text = sources[index].text;
    if (const auto stray = find_stray(text)) {
        mistakes.add(place_of(index, text, *stray),
                     "this is not TOML: letters beyond ASCII stand in quotes or comments only");
        return {};
    }
    try {
        const Outline outline = take_plain_lists(text);
        const toml::table table = toml::parse(outline.text);
        return Reader(index, outline.lists, mistakes).read(table);
    } catch (const toml::parse_error& error) {
        const auto& begin = error.source().begin;
        mistakes.add({index, begin.line, begin.column},
                     "this is not TOML: " + std::string(error.description()));
        return {};
    }
}

}  // namespace bulkhead::policy
