#include "runtime/policy/stray.h"

#include <algorithm>

namespace bulkhead::policy {
namespace {

bool is_beyond_ascii(char letter) {
    return static_cast<unsigned char>(letter) >= 0x80;
}

// Behind the end of a string on many lines: the last one or two quotes before it may be its own.
std::size_t skip_quotes(std::string_view text, std::size_t at) {
    std::size_t end = at + 3;
    while (end < text.size() && end < at + 5 && text[end] == text[at])
        ++end;
    return end;
}

// The place behind the string that begins at `begin`; a string on one line ends with its line.
std::size_t skip_string(std::string_view text, std::size_t begin) {
    const char quote = text[begin];
    const std::string_view three = quote == '"' ? R"(""")" : "'''";
    const bool many_lines = text.substr(begin, 3) == three;
    for (std::size_t at = begin + (many_lines ? 3 : 1); at < text.size(); ++at) {
        if (text[at] == '\\' && quote == '"')
            ++at;
        else if (many_lines ? text.substr(at, 3) == three : text[at] == quote)
            return many_lines ? skip_quotes(text, at) : at + 1;
        else if (!many_lines && text[at] == '\n')
            return at;
    }
    return text.size();
}

// Where the parser is: what ends a bare word differs between keys and values. In a value it takes
// all up to the next delimiter for one number or date, `=` and quotes included.
class Position {
public:
    void pass(char letter) {
        if (letter == '\n')
            in_value_ = in_value_ && depth_ > 0;
        else if (letter == '=')
            in_value_ = true;
        else if (in_value_ && letter == '[')
            ++depth_;
        else if (in_value_ && letter == ']' && depth_ > 0)
            --depth_;
    }

    [[nodiscard]] std::string_view delimiters() const {
        return in_value_ ? " \t\r\n,]}#" : " \t\r\n,]}#=[";
    }

private:
    bool in_value_ = false;
    unsigned depth_ = 0;  // of lists
};

}  // namespace

std::optional<std::size_t> find_stray(std::string_view text) {
    if (std::none_of(text.begin(), text.end(), is_beyond_ascii))
        return std::nullopt;
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    constexpr std::string_view kPunctuation = " \t\r\n,[]{}=";
    std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    Position position;
    while (at < text.size()) {
        if (text[at] == '"' || text[at] == '\'') {
            at = skip_string(text, at);
        } else if (text[at] == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (kPunctuation.find(text[at]) != std::string_view::npos) {
            position.pass(text[at++]);
        } else {
            const std::size_t end =
                std::min(text.find_first_of(position.delimiters(), at), text.size());
            for (; at < end; ++at) {
                if (is_beyond_ascii(text[at]))
                    return at;
            }
        }
    }
    return std::nullopt;
}

}  // namespace bulkhead::policy
