#include "runtime/agent/accept.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

namespace bulkhead::runtime::agent {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos)
        return "";
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Takes what stands before the next `mark` off the front of `text`.
std::string_view take(std::string_view& text, char mark) {
    const auto end = text.find(mark);
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return trimmed(part);
}

bool same(std::string_view one, std::string_view other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) ==
               std::tolower(static_cast<unsigned char>(b));
    });
}

std::string_view unquoted(std::string_view text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
        return text.substr(1, text.size() - 2);
    return text;
}

// One of the things that are accepted, and how much it is liked: 0 is not at all.
struct Choice {
    std::string_view what;
    std::string_view version;
    double quality = 1;
};

Choice parse_choice(std::string_view text) {
    Choice choice{.what = take(text, ';'), .version = "", .quality = 1};
    while (!text.empty()) {
        std::string_view value = take(text, ';');
        const std::string_view key = take(value, '=');
        value = unquoted(trimmed(value));
        if (same(key, "version"))
            choice.version = value;
        if (!same(key, "q"))
            continue;
        const auto read =
            std::from_chars(value.data(), value.data() + value.size(), choice.quality);
        if (read.ec != std::errc{} || !(choice.quality >= 0 && choice.quality <= 1))
            choice.quality = 0;
    }
    return choice;
}

template <typename Visit>
void for_each_choice(std::string_view header, Visit visit) {
    while (!header.empty())
        if (const std::string_view part = take(header, ','); !part.empty())
            visit(parse_choice(part));
}

}  // namespace

bool wants_openmetrics(std::string_view accept) {
    double openmetrics = 0, text = 0;
    for_each_choice(accept, [&](const Choice& choice) {
        if (same(choice.what, "application/openmetrics-text") &&
            (choice.version.empty() || choice.version == "1.0.0"))
            openmetrics = std::max(openmetrics, choice.quality);
        if (same(choice.what, "text/plain"))
            text = std::max(text, choice.quality);
    });
    return openmetrics > 0 && openmetrics >= text;
}

bool takes_gzip(std::string_view accept_encoding) {
    bool takes = false;
    for_each_choice(accept_encoding, [&](const Choice& choice) {
        if (same(choice.what, "gzip"))
            takes = choice.quality > 0;
    });
    return takes;
}

}  // namespace bulkhead::runtime::agent
