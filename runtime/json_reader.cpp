#include "runtime/json_reader.h"

#include <algorithm>

namespace bulkhead {

std::string JsonReader::path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void JsonReader::expect(bool is_so, std::string_view key, const char* what) const {
    if (!is_so && wrong_->empty())
        *wrong_ = path_of(key) + " is " + what;
}

const Json& JsonReader::at(std::string_view key) const {
    expect(has(key), key, "missing");
    return (*node_)[key];
}

JsonReader JsonReader::object(std::string_view key) const {
    const Json& node = at(key);
    expect(node.is_object(), key, "no object");
    return {node, path_of(key), *wrong_};
}

std::vector<JsonReader> JsonReader::objects(std::string_view key) const {
    const Json& node = at(key);
    const Json::Array& items = node.items();
    expect(node.is_array() && std::all_of(items.begin(), items.end(),
                                          [](const Json& item) { return item.is_object(); }),
           key, "no list of objects");
    std::vector<JsonReader> readers;
    readers.reserve(items.size());
    for (const Json& item : items) {
        const std::string index = "[" + std::to_string(readers.size()) + "]";
        readers.push_back({item, path_of(key) + index, *wrong_});
    }
    return readers;
}

std::string JsonReader::text(std::string_view key) const {
    const Json& node = at(key);
    expect(node.is_text(), key, "no text");
    return node.text();
}

std::vector<std::string> JsonReader::texts(std::string_view key) const {
    const Json& node = at(key);
    const Json::Array& items = node.items();
    expect(node.is_array() && std::all_of(items.begin(), items.end(),
                                          [](const Json& item) { return item.is_text(); }),
           key, "no list of texts");
    std::vector<std::string> texts;
    texts.reserve(items.size());
    for (const Json& item : items)
        texts.push_back(item.text());
    return texts;
}

bool JsonReader::truth(std::string_view key) const {
    const auto truth = at(key).truth();
    expect(truth.has_value(), key, "neither true nor false");
    return truth.value_or(false);
}

std::uint64_t JsonReader::number_up_to(std::uint64_t most, std::string_view key) const {
    const auto number = at(key).number();
    expect(number.has_value() && *number <= most, key, "no whole number of the range it can have");
    return number && *number <= most ? *number : 0;
}

std::vector<std::string> JsonReader::keys() const {
    std::vector<std::string> keys;
    for (const Json::Member& member : node_->members())
        keys.push_back(member.key);
    return keys;
}

}  // namespace bulkhead
