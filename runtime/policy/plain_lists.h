// The lists of a policy, read without the parser. A long policy is nearly nothing else, and toml++
// takes 160 instructions for each of its letters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::policy {

// Lines and columns count from 1.
struct PlainText {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string_view value;
};

struct PlainList {
    std::uint32_t line = 0;  // that its key stands on
    std::vector<PlainText> entries;
};

struct Outline {
    // The document with its plain lists emptied. It is TOML where the document is, what else it
    // says stands at the same line and column, and so does what is wrong with it.
    std::string text;
    std::vector<PlainList> lists;  // in the order of the document
};

// A plain list follows a bare key that begins its line, and has only texts in double quotes, of
// printable ASCII without escapes, and comments. Values are views into `text`.
Outline take_plain_lists(std::string_view text);

}  // namespace bulkhead::policy
