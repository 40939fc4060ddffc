// What a person does to the screen of `bulkhead top`, and how it looks: no terminal in here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/top/model.h"

namespace bulkhead::runtime::top {

enum class Glyphs { kUnicode, kAscii };
enum class Motion { kLive, kPaused };
enum class Typing { kNothing, kFilter };

struct View {
    Sort sort = Sort::kCpu;
    Order order = Order::kLargestFirst;
    std::string filter;
    Typing typing = Typing::kNothing;
    Motion motion = Motion::kLive;
    std::size_t selected = 0;                // of the rows that pass the filter
    std::optional<std::uint32_t> looked_at;  // one environment fills the screen
    Glyphs glyphs = Glyphs::kUnicode;
};

enum class Reaction { kStay, kQuit };

// One key: a letter, or the sequence that a terminal sends for a special one ("\x1b[A").
Reaction press(View& view, const Model& model, std::string_view key);

// Takes the first key off what was read from a terminal.
std::string_view take_key(std::string_view& bytes);

struct Size {
    std::size_t columns = 80;
    std::size_t lines = 24;
};

enum class Emphasis { kNone, kBold, kReverse };

struct Line {
    std::string text;  // as many columns as the screen has, or fewer
    Emphasis emphasis = Emphasis::kNone;
};

// Exactly as many lines as the screen has. `clock`: the time of the reading, "10:33:12".
std::vector<Line> render(const View& view, const Model& model, Size size, std::string_view clock);

// The table alone, for scripts.
std::string table_text(const View& view, const Model& model);

// The last `columns` values as bars, the largest the highest.
std::string sparkline(const std::deque<std::uint64_t>& values, std::size_t columns, Glyphs glyphs);

// "1.5G" in at most six columns.
std::string short_bytes(std::uint64_t bytes);

}  // namespace bulkhead::runtime::top
