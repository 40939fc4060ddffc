// JSON to text and back: what is text's business (escapes, UTF-8, numbers, mistakes) is the
// library's.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "runtime/json.h"

namespace bulkhead {
namespace {

// Documents of ours are five deep.
constexpr std::size_t kDeepest = 64;

// What the library's parser calls; it stops where one says false. Names and arguments are its own.
class Builder {
public:
    using binary_t = nlohmann::json::binary_t;

    bool null() { return put(nullptr); }
    bool boolean(bool value) { return put(value); }
    bool number_integer(std::int64_t value) { return put(value); }
    bool number_unsigned(std::uint64_t value) { return put(value); }
    bool number_float(double value, const std::string& /*text*/) { return put(value); }
    bool string(std::string& value) { return put(std::move(value)); }
    bool binary(binary_t& /*value*/) { return false; }  // JSON has none
    bool start_object(std::size_t /*size*/) { return open(Json::object()); }
    bool start_array(std::size_t /*size*/) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        key_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                     const nlohmann::json::exception& error) {
        // Behind "[json.exception.parse_error.101] ".
        const std::string_view text = error.what();
        wrong_ = text.substr(text.find(' ') + 1);
        return false;
    }

    Json take() { return std::move(root_); }
    [[nodiscard]] const std::string& wrong() const { return wrong_; }

private:
    Json& add(Json value) {
        if (open_.empty())
            return root_ = std::move(value);
        Json& parent = *open_.back();
        if (parent.is_array())
            return parent.push_back(std::move(value));
        return parent[key_] = std::move(value);
    }

    bool put(Json value) {
        add(std::move(value));
        return true;
    }

    bool open(Json value) {
        if (open_.size() == kDeepest) {
            wrong_ = "nested more than " + std::to_string(kDeepest) + " deep";
            return false;
        }
        // It stays where it is: nothing is put beside it before it is closed.
        open_.push_back(&add(std::move(value)));
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    Json root_;
    std::vector<Json*> open_;  // from the root to what values go into
    std::string key_;
    std::string wrong_;
};

std::string library_text(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool stands_for_itself(char letter) {
    return letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\';
}

}  // namespace

class JsonWriter {
public:
    enum class Layout { kCompact, kIndented };

    explicit JsonWriter(Layout layout) : layout_(layout) {}

    void write(const Json& json) {
        std::visit([this](const auto& value) { put(value); }, json.value_);
    }

    std::string take() { return std::move(out_); }

private:
    void put(std::monostate /*value*/) { out_ += "null"; }
    void put(bool value) { out_ += value ? "true" : "false"; }
    void put(double value) { out_ += library_text(value); }

    template <std::integral T>
    void put(T value) {
        std::array<char, 24> digits;
        out_.append(digits.data(), std::to_chars(digits.begin(), digits.end(), value).ptr);
    }

    // Most texts are keys and words: a start pays for no more than it needs.
    void put(const std::string& value) {
        if (std::all_of(value.begin(), value.end(), stands_for_itself))
            ((out_ += '"') += value) += '"';
        else
            out_ += library_text(value);
    }

    void put(const Json::Array& items) {
        out_ += '[';
        for (const Json& item : items) {
            begin_item(&item == &items.front());
            write(item);
        }
        end(']', items.empty());
    }

    void put(const Json::Object& members) {
        out_ += '{';
        for (const Json::Member& member : members) {
            begin_item(&member == &members.front());
            put(member.key);
            out_ += layout_ == Layout::kCompact ? ":" : ": ";
            write(member.value);
        }
        end('}', members.empty());
    }

    void begin_item(bool is_first) {
        if (is_first)
            ++depth_;
        else
            out_ += ',';
        begin_line();
    }

    void end(char bracket, bool is_empty) {
        if (!is_empty) {
            --depth_;
            begin_line();
        }
        out_ += bracket;
    }

    void begin_line() {
        if (layout_ == Layout::kIndented)
            (out_ += '\n').append(2 * depth_, ' ');
    }

    Layout layout_;
    std::size_t depth_ = 0;
    std::string out_;
};

Result<Json> Json::parse(std::string_view text) {
    Builder builder;
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
        return fail(Error(0, builder.wrong()));
    return builder.take();
}

std::string Json::compact() const {
    JsonWriter writer(JsonWriter::Layout::kCompact);
    writer.write(*this);
    return writer.take();
}

std::string Json::indented() const {
    JsonWriter writer(JsonWriter::Layout::kIndented);
    writer.write(*this);
    return writer.take();
}

}  // namespace bulkhead
