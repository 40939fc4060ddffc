// What is wrong in a policy, all of it at once, each with its place.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace bulkhead::policy {

// A policy's text, and the name that places in it are reported under: a path, or "profile web".
struct Source {
    std::string name;
    std::string text;
};

// A place in Policy::sources; lines and columns count from 1, line 0 is nowhere.
struct Place {
    std::uint32_t source = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

// "web.toml:3:9".
std::string describe(const std::vector<Source>& sources, const Place& place);

class Mistakes {
public:
    void add(const Place& place, std::string what) { list_.push_back({place, std::move(what)}); }

    [[nodiscard]] bool empty() const { return list_.empty(); }
    // One kUsage error with a line for each mistake, in the order of their places.
    [[nodiscard]] Error to_error(const std::vector<Source>& sources) const;

private:
    struct Mistake {
        Place place;
        std::string what;
    };
    std::vector<Mistake> list_;
};

// "; did you mean \"read\"?" when one of `known` is near enough to `word`, else "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace bulkhead::policy
