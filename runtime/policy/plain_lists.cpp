#include "runtime/policy/plain_lists.h"

#include <algorithm>
#include <array>
#include <optional>

namespace bulkhead::policy {
namespace {

bool is_blank(char letter) {
    return letter == ' ' || letter == '\t';
}

bool is_printable(char letter) {
    return letter >= ' ' && letter <= '~';
}

// What stands for itself in a text: printable, but the quote and the backslash.
constexpr auto kOfTexts = [] {
    std::array<bool, 256> letters{};
    for (unsigned letter = ' '; letter <= '~'; ++letter)
        letters[letter] = letter != '"' && letter != '\\';
    return letters;
}();

bool is_of_text(char letter) {
    return kOfTexts[static_cast<unsigned char>(letter)];
}

bool is_of_bare_key(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
    while (at < text.size() && is_blank(text[at]))
        ++at;
    return at;
}

// Behind the [ of `key = [`, when the line at `begin` begins so.
std::optional<std::size_t> find_list(std::string_view text, std::size_t begin) {
    const std::size_t key = skip_blanks(text, begin);
    std::size_t at = key;
    while (at < text.size() && is_of_bare_key(text[at]))
        ++at;
    const std::size_t equals = skip_blanks(text, at);
    if (at == key || equals == text.size() || text[equals] != '=')
        return std::nullopt;
    const std::size_t bracket = skip_blanks(text, equals + 1);
    if (bracket == text.size() || text[bracket] != '[')
        return std::nullopt;
    return bracket + 1;
}

// Reads one list, from behind its [ to before its ].
class ListReader {
public:
    ListReader(std::string_view text, std::size_t at, std::size_t line_begin, std::uint32_t line)
        : text_(text), at_(at), line_begin_(line_begin), line_(line) {}

    // False: it is not plain, or no list.
    bool read(std::vector<PlainText>& entries) {
        for (bool may_have_entry = true;; ++at_) {
            if (!skip_space() || at_ == text_.size())
                return false;
            const char letter = text_[at_];
            if (letter == ']')
                return true;
            if (letter == '"' ? !may_have_entry || !read_text(entries)
                              : letter != ',' || may_have_entry)
                return false;
            may_have_entry = letter == ',';
        }
    }

    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] std::size_t line_begin() const { return line_begin_; }
    [[nodiscard]] std::uint32_t line() const { return line_; }

private:
    // Up to the quote that ends it.
    bool read_text(std::vector<PlainText>& entries) {
        const std::size_t begin = at_ + 1;
        std::size_t end = begin;
        while (end < text_.size() && is_of_text(text_[end]))
            ++end;
        if (end == text_.size() || text_[end] != '"')
            return false;
        const auto column = static_cast<std::uint32_t>(at_ - line_begin_ + 1);
        entries.push_back({line_, column, text_.substr(begin, end - begin)});
        at_ = end;
        return true;
    }

    // Blanks, ends of lines and comments.
    bool skip_space() {
        for (; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\n') {
                ++line_;
                line_begin_ = at_ + 1;
            } else if (text_[at_] == '#') {
                while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n')
                    if (const char letter = text_[++at_]; !is_printable(letter) && letter != '\t')
                        return false;
            } else if (!is_blank(text_[at_])) {
                return true;
            }
        }
        return true;
    }

    std::string_view text_;
    std::size_t at_;
    std::size_t line_begin_;
    std::uint32_t line_;
};

// Only there do lines begin that are no lines of the document.
bool has_texts_on_many_lines(std::string_view text) {
    return text.find(R"(""")") != std::string_view::npos ||
           text.find("'''") != std::string_view::npos;
}

}  // namespace

Outline take_plain_lists(std::string_view text) {
    Outline outline;
    if (has_texts_on_many_lines(text)) {
        outline.text = text;
        return outline;
    }
    std::size_t copied = 0;
    std::uint32_t line = 1;
    for (std::size_t begin = 0; begin < text.size(); ++line) {
        if (const auto list = find_list(text, begin)) {
            PlainList found{line, {}};
            ListReader reader(text, *list, begin, line);
            if (reader.read(found.entries)) {
                outline.text.append(text, copied, *list - copied);
                const std::uint32_t lines = reader.line() - line;
                outline.text.append(lines, '\n');
                outline.text.append(reader.at() - (lines == 0 ? *list : reader.line_begin()), ' ');
                outline.lists.push_back(std::move(found));
                copied = reader.at();
                line = reader.line();
                begin = copied;
            }
        }
        begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
    }
    outline.text.append(text, copied);
    return outline;
}

}  // namespace bulkhead::policy
