#include "runtime/json.h"

#include <algorithm>
#include <utility>

namespace bulkhead {
namespace {

// The first name of a path, which it is taken off.
std::string_view take_name(std::string_view& path) {
    const auto dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    return name;
}

template <typename Texts>
std::vector<Json> items_of(const Texts& texts) {
    return {texts.begin(), texts.end()};
}

}  // namespace

Json::Json() noexcept = default;
Json::Json(std::nullptr_t) noexcept {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(const std::vector<std::string>& texts) : value_(items_of(texts)) {}
Json::Json(const std::vector<std::string_view>& texts) : value_(items_of(texts)) {}

Json::Json(std::initializer_list<Pair> pairs) : value_(Object()) {
    auto& members = std::get<Object>(value_);
    members.reserve(pairs.size());
    for (const Pair& pair : pairs)
        members.push_back({std::string(pair.key), std::move(pair.value)});
}

Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json Json::array() {
    Json json;
    json.value_.emplace<Array>();
    return json;
}

Json Json::object() {
    Json json;
    json.value_.emplace<Object>();
    return json;
}

void Json::set(bool value) {
    value_ = value;
}

void Json::set(std::int64_t value) {
    if (value < 0)
        value_ = value;
    else
        value_ = static_cast<std::uint64_t>(value);
}

void Json::set(std::uint64_t value) {
    value_ = value;
}

bool Json::is_null() const {
    return std::holds_alternative<std::monostate>(value_);
}

bool Json::is_text() const {
    return std::holds_alternative<std::string>(value_);
}

bool Json::is_array() const {
    return std::holds_alternative<Array>(value_);
}

bool Json::is_object() const {
    return std::holds_alternative<Object>(value_);
}

std::optional<bool> Json::truth() const {
    const bool* value = std::get_if<bool>(&value_);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::uint64_t> Json::number() const {
    const auto* value = std::get_if<std::uint64_t>(&value_);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

const std::string& Json::text() const {
    static const std::string kNone;
    const auto* value = std::get_if<std::string>(&value_);
    return value != nullptr ? *value : kNone;
}

const Json::Array& Json::items() const {
    static const Array kNone;
    const auto* value = std::get_if<Array>(&value_);
    return value != nullptr ? *value : kNone;
}

const Json::Object& Json::members() const {
    static const Object kNone;
    const auto* value = std::get_if<Object>(&value_);
    return value != nullptr ? *value : kNone;
}

const Json* Json::find(std::string_view key) const {
    for (const Member& member : members())
        if (member.key == key)
            return &member.value;
    return nullptr;
}

const Json* Json::find_path(std::string_view path) const {
    const Json* node = this;
    while (node != nullptr && !path.empty())
        node = node->find(take_name(path));
    return node;
}

const Json& Json::operator[](std::string_view key) const {
    static const Json kNull;
    const Json* value = find(key);
    return value != nullptr ? *value : kNull;
}

const Json& Json::operator[](std::size_t index) const {
    static const Json kNull;
    return index < items().size() ? items()[index] : kNull;
}

Json& Json::operator[](std::string_view key) {
    if (!is_object())
        value_.emplace<Object>();
    auto& members = std::get<Object>(value_);
    for (Member& member : members)
        if (member.key == key)
            return member.value;
    return members.emplace_back(Member{std::string(key), Json()}).value;
}

Json& Json::at_path(std::string_view path) {
    Json* node = this;
    while (!path.empty())
        node = &(*node)[take_name(path)];
    return *node;
}

Json& Json::push_back(Json value) {
    if (!is_array())
        value_.emplace<Array>();
    return std::get<Array>(value_).emplace_back(std::move(value));
}

// As the order is what somebody wrote, not what it means, objects are the same in any.
bool Json::operator==(const Json& other) const {
    if (!is_object() || !other.is_object())
        return value_ == other.value_;
    return members().size() == other.members().size() &&
           std::all_of(members().begin(), members().end(), [&](const Member& member) {
               const Json* value = other.find(member.key);
               return value != nullptr && *value == member.value;
           });
}

}  // namespace bulkhead
