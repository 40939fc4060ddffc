// A value of JSON. The library that reads and writes its text stays behind json_text.cpp: its
// header takes the compiler seconds in every file that has it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "loader/result.h"

namespace bulkhead {

class Json {
public:
    struct Member;
    struct Pair;
    using Array = std::vector<Json>;
    // In the order in which they were put in, no key twice.
    using Object = std::vector<Member>;

    Json() noexcept;  // null
    // Implicit, all of them: a document is written as the values that it has.
    // NOLINTBEGIN(google-explicit-constructor)
    Json(std::nullptr_t) noexcept;
    // Out of line only for the three types that a whole number can have here.
    template <std::integral T>
    Json(T value) : Json() {
        if constexpr (std::same_as<T, bool>)
            set(value);
        else if constexpr (std::signed_integral<T>)
            set(std::int64_t{value});
        else
            set(std::uint64_t{value});
    }
    template <std::integral T>
    Json(const std::optional<T>& value) : Json() {
        if (value)
            *this = Json(*value);
    }
    Json(double value);
    Json(std::string value);
    Json(std::string_view value);
    Json(const char* value);
    Json(const std::vector<std::string>& texts);
    Json(const std::vector<std::string_view>& texts);
    // {{"name", name}, {"pid", pid}}: an object.
    Json(std::initializer_list<Pair> pairs);
    // NOLINTEND(google-explicit-constructor)
    Json(const Json& other);
    Json(Json&& other) noexcept;
    Json& operator=(const Json& other);
    Json& operator=(Json&& other) noexcept;
    ~Json();

    static Json array();
    static Json object();

    // Of a key that is there twice the last value holds. What is nested deeper than anything of
    // ours is refused: whoever copies or frees a value does so by recursion.
    static Result<Json> parse(std::string_view text);
    // On one line; or a value a line, indented by two. What is no UTF-8 becomes the replacement
    // character.
    [[nodiscard]] std::string compact() const;
    [[nodiscard]] std::string indented() const;

    [[nodiscard]] bool is_null() const;
    [[nodiscard]] bool is_text() const;
    [[nodiscard]] bool is_array() const;
    [[nodiscard]] bool is_object() const;
    // None, "" or nothing in it where the value is of another type. A number is a whole one from 0.
    [[nodiscard]] std::optional<bool> truth() const;
    [[nodiscard]] std::optional<std::uint64_t> number() const;
    [[nodiscard]] const std::string& text() const;
    [[nodiscard]] const Array& items() const;
    [[nodiscard]] const Object& members() const;

    // Null where there is none.
    [[nodiscard]] const Json* find(std::string_view key) const;
    // "cpu.total_ns": a member of a member.
    [[nodiscard]] const Json* find_path(std::string_view path) const;
    [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
    // A null value where there is none.
    const Json& operator[](std::string_view key) const;
    const Json& operator[](std::size_t index) const;
    const Json& operator[](std::size_t index) { return std::as_const(*this)[index]; }
    // Made where there is none; a value that is no object becomes one.
    Json& operator[](std::string_view key);
    Json& at_path(std::string_view path);
    // A value that is no array becomes one. The item, as long as no other is put in.
    Json& push_back(Json value);

    bool operator==(const Json& other) const;

private:
    friend class JsonWriter;
    void set(bool value);
    void set(std::int64_t value);
    void set(std::uint64_t value);

    // A signed number is a negative one.
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
                 Object>
        value_;
};

struct Json::Member {
    std::string key;
    Json value;

    bool operator==(const Member& other) const = default;
};

// The elements of an initializer list are const; without `mutable` each level of a document would
// be copied into the next.
struct Json::Pair {
    std::string_view key;
    mutable Json value;
};

}  // namespace bulkhead
