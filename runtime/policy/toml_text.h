// TOML as policies are written by us.
#pragma once

#include <string>
#include <string_view>

namespace bulkhead::policy {

// A text in quotes.
std::string quoted(std::string_view text);

// A line, with a comment in the column where comments stand. What is no printable ASCII in the
// comment is shown as "?": it may come from inside an environment.
std::string with_comment(std::string line, std::string_view comment);

// A comment on a line of its own.
std::string comment_line(std::string_view comment);

}  // namespace bulkhead::policy
