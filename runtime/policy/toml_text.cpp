#include "runtime/policy/toml_text.h"

#include <algorithm>
#include <cstdio>

namespace bulkhead::policy {
namespace {

constexpr std::size_t kCommentColumn = 40;

bool is_printable(char letter) {
    return letter >= 0x20 && letter < 0x7f;
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char letter : text) {
        if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(letter));
            out += escape;
            continue;
        }
        if (letter == '"' || letter == '\\')
            out += '\\';
        out += letter;
    }
    return out + "\"";
}

std::string with_comment(std::string line, std::string_view comment) {
    if (comment.empty())
        return line + "\n";
    line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
    return line + comment_line(comment);
}

std::string comment_line(std::string_view comment) {
    std::string line = "# ";
    std::transform(comment.begin(), comment.end(), std::back_inserter(line),
                   [](char letter) { return is_printable(letter) ? letter : '?'; });
    return line + "\n";
}

}  // namespace bulkhead::policy
