// The schema as others read it: JSON Schema for editors, Markdown for people.
#include "loader/refusals.h"
#include "runtime/json.h"
#include "runtime/policy/schema.h"

namespace bulkhead::policy {
namespace {

std::string plain(std::string_view text) {
    std::string without;
    for (const char letter : text) {
        if (letter != '`')
            without += letter;
    }
    return without;
}

Json class_names() {
    Json names = Json::array();
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        names.push_back(loader::class_name(class_id));
    return names;
}

// What each text of it is.
void describe_text(const KeyInfo& info, Json& item) {
    item["type"] = "string";
    if (info.key == Key::kAllow)
        item["enum"] = class_names();
    else if (!info.choices.empty())
        item["enum"] = split_choices(info.choices);
}

Json property_of(const KeyInfo& info) {
    Json property = {{"description", plain(info.meaning)}};
    if (info.kind == Kind::kText || info.kind == Kind::kChoice) {
        describe_text(info, property);
        return property;
    }
    if (info.kind == Kind::kChoiceOrTexts) {
        Json word = Json::object(), list = Json::object(), either = Json::array();
        describe_text(info, word);
        list["type"] = "array";
        list["items"]["type"] = "string";
        either.push_back(std::move(word));
        either.push_back(std::move(list));
        property["oneOf"] = std::move(either);
        return property;
    }
    property["type"] = "array";
    describe_text(info, property["items"]);
    return property;
}

Json properties_of(Section section) {
    Json properties = Json::object();
    for (const KeyInfo& info : keys()) {
        if (info.section == section)
            properties[info.name] = property_of(info);
    }
    return properties;
}

std::string type_of(const KeyInfo& info) {
    if (info.kind == Kind::kText)
        return "text";
    if (info.kind == Kind::kTexts)
        return "list";
    std::string text = info.kind == Kind::kChoices ? "list of " : "";
    for (const std::string_view choice : split_choices(info.choices)) {
        const bool first = text.empty() || text.ends_with(' ');
        text += std::string(first ? "`" : ", `") + std::string(choice) + "`";
    }
    return info.kind == Kind::kChoiceOrTexts ? text + ", or a list" : text;
}

std::string cell(std::string_view text) {
    if (text.empty())
        return "–";
    return std::string(text);
}

std::string table_of(Section section) {
    std::string text = "| Key | Type | Without it | Meaning |\n| --- | --- | --- | --- |\n";
    for (const KeyInfo& info : keys()) {
        if (info.section == section)
            text += "| `" + std::string(info.name) + "` | " + type_of(info) + " | " +
                    cell(info.initially) + " | " + std::string(info.meaning) + " |\n";
    }
    return text;
}

std::string class_table() {
    std::string text =
        "### Classes\n\n`allow` takes these. Those of a section are refused only where that "
        "section asks for it.\n\n| Class | Section | What a refusal protects |\n| --- | --- | --- "
        "|\n";
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id) {
        const std::string_view section = section_name(section_of_class(class_id));
        text += "| `" + std::string(loader::class_name(class_id)) + "` | " +
                (section.empty() ? "–" : "`[" + std::string(section) + "]`") + " | " +
                loader::class_meaning(class_id) + " |\n";
    }
    return text;
}

}  // namespace

std::string json_schema() {
    Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                   {"title", "Bulkhead policy"},
                   {"type", "object"},
                   {"additionalProperties", false},
                   {"properties", properties_of(Section::kTop)}};
    for (std::size_t i = 1; i < kSectionCount; ++i) {
        const auto section = static_cast<Section>(i);
        schema["properties"][section_name(section)] = {
            {"description", plain(section_meaning(section))},
            {"type", "object"},
            {"additionalProperties", false},
            {"properties", properties_of(section)}};
    }
    return schema.indented();
}

std::string reference() {
    std::string text;
    for (std::size_t i = 0; i < kSectionCount; ++i) {
        const auto section = static_cast<Section>(i);
        const std::string title = i == 0 ? "Top" : "`[" + std::string(section_name(section)) + "]`";
        text += "### " + title + "\n\n" + std::string(section_meaning(section)) + "\n\n" +
                table_of(section) + "\n";
    }
    return text + class_table();
}

}  // namespace bulkhead::policy
