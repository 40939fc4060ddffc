#include <algorithm>
#include <array>

#include "runtime/format.h"
#include "runtime/top/view.h"

namespace bulkhead::runtime::top {
namespace {

constexpr std::size_t kFixedColumns = 63;  // of a line of the table, without the name
constexpr std::size_t kLeastName = 8;
constexpr std::size_t kSparkColumns = 10;

std::string cut(std::string_view text, std::size_t columns) {
    return std::string(text.substr(0, columns));
}

std::size_t name_columns(std::size_t columns) {
    return std::max(kLeastName, columns - std::min(columns, kFixedColumns));
}

std::string percent(std::uint64_t permille) {
    return formatted("{}.{}", permille / 10, permille % 10);
}

std::string head(std::size_t name) {
    return formatted("{:<{}} {:>6} {:<10} {:>6} {:>5} {:>6} {:>6} {:>6} {:>9}", "ENVIRONMENT", name,
                     "CPU%", "", "MEM", "TASKS", "RECV/s", "SENT/s", "DISK/s", "REFUSED");
}

// In two parts: a bar of the sparkline is one column and three bytes.
std::string table_line(const Row& row, std::size_t name, Glyphs glyphs) {
    const Usage& usage = row.usage;
    return formatted("{:<{}} {:>6} ", cut(usage.environment, name), name,
                     percent(row.rates.cpu_permille)) +
           sparkline(row.cpu_permille, kSparkColumns, glyphs) +
           formatted(" {:>6} {:>5} {:>6} {:>6} {:>6} {:>9}", short_bytes(usage.memory_bytes),
                     usage.tasks, short_bytes(row.rates.received_bytes),
                     short_bytes(row.rates.sent_bytes),
                     short_bytes(row.rates.read_bytes + row.rates.written_bytes), usage.refused());
}

std::string title(const View& view, const Model& model, std::string_view clock) {
    return formatted("bulkhead top {}{} by {}{}, {} environments, cpu {} %, memory {}", clock,
                     view.motion == Motion::kPaused ? " PAUSED" : "", sort_name(view.sort),
                     view.order == Order::kLargestFirst ? "" : " reversed", model.count(),
                     percent(model.cpu_permille()), short_bytes(model.memory_bytes()));
}

std::string foot(const View& view) {
    if (view.typing == Typing::kFilter)
        return "filter: " + view.filter + "_   (Enter: keep, Esc: all)";
    if (view.looked_at)
        return "Esc back  Space pause  Ctrl-C quit";
    return (view.filter.empty() ? std::string() : "filter " + view.filter + "  ") +
           "q quit  Up/Down Enter look at  / filter  s sort  r reverse  Space pause";
}

void add_table(const View& view, const Model& model, Size size, std::vector<Line>& lines) {
    const std::size_t name = name_columns(size.columns);
    lines.push_back({head(name), Emphasis::kBold});
    const auto rows = model.rows(view.sort, view.order, view.filter);
    const std::size_t room = size.lines > 3 ? size.lines - 3 : 0;
    const std::size_t selected = std::min(view.selected, rows.empty() ? 0 : rows.size() - 1);
    const std::size_t first = selected < room ? 0 : selected - room + 1;
    for (std::size_t i = first; i < std::min(rows.size(), first + room); ++i)
        lines.push_back({table_line(*rows[i], name, view.glyphs),
                         i == selected ? Emphasis::kReverse : Emphasis::kNone});
    if (rows.empty())
        lines.push_back({model.count() == 0 ? "no environment is there"
                                            : "no environment has \"" + view.filter + "\" in it"});
}

void add_text(const std::string& text, std::vector<Line>& lines) {
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back({text.substr(begin, end - begin)});
        begin = end + 1;
    }
}

void add_one(const View& view, const Row& row, Size size, std::vector<Line>& lines) {
    const std::size_t wide = size.columns - std::min<std::size_t>(size.columns, 22);
    lines.push_back({row.usage.environment, Emphasis::kBold});
    lines.push_back({formatted("  cpu {:>8} %      ", percent(row.rates.cpu_permille)) +
                     sparkline(row.cpu_permille, wide, view.glyphs)});
    lines.push_back({formatted("  memory {:>6}       ", short_bytes(row.usage.memory_bytes)) +
                     sparkline(row.memory_bytes, wide, view.glyphs)});
    lines.push_back({formatted("  a second: received {}, sent {}, read {}, wrote {}, refused {}",
                               short_bytes(row.rates.received_bytes),
                               short_bytes(row.rates.sent_bytes), short_bytes(row.rates.read_bytes),
                               short_bytes(row.rates.written_bytes), row.rates.refused)});
    lines.emplace_back();
    add_text(to_text(row.usage), lines);
}

// A line is cut at the screen's edge by columns, not within a bar of a sparkline.
std::string fit(const std::string& text, std::size_t columns) {
    std::size_t used = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool continues = (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
        if (!continues && used++ == columns)
            return text.substr(0, i);
    }
    return text;
}

}  // namespace

std::string short_bytes(std::uint64_t bytes) {
    constexpr std::array kUnits = {"", "K", "M", "G", "T", "P", "E"};
    using Wide = unsigned __int128;
    Wide tenths = Wide{bytes} * 10;
    std::size_t unit = 0;
    for (; tenths >= 10 * 1024 && unit + 1 < kUnits.size(); ++unit)
        tenths /= 1024;
    const auto shown = static_cast<unsigned>(tenths);
    return unit == 0 || shown >= 1000 ? formatted("{}{}", shown / 10, kUnits[unit])
                                      : formatted("{}.{}{}", shown / 10, shown % 10, kUnits[unit]);
}

std::string sparkline(const std::deque<std::uint64_t>& values, std::size_t columns, Glyphs glyphs) {
    constexpr std::array kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::array kLetters = {"_", ".", ":", "-", "=", "+", "*", "#"};
    const auto& bars = glyphs == Glyphs::kUnicode ? kBars : kLetters;
    const std::size_t shown = std::min(values.size(), columns);
    const auto first = values.end() - static_cast<std::ptrdiff_t>(shown);
    const std::uint64_t largest = shown == 0 ? 0 : *std::max_element(first, values.end());
    std::string text(columns - shown, ' ');
    for (auto value = first; value != values.end(); ++value) {
        using Wide = unsigned __int128;
        const auto height =
            largest == 0 ? 0 : static_cast<std::size_t>(Wide{*value} * (bars.size() - 1) / largest);
        text += bars[height];
    }
    return text;
}

std::vector<Line> render(const View& view, const Model& model, Size size, std::string_view clock) {
    std::vector<Line> lines = {{title(view, model, clock), Emphasis::kBold}};
    const Row* one = view.looked_at ? model.find(*view.looked_at) : nullptr;
    if (one != nullptr)
        add_one(view, *one, size, lines);
    else if (view.looked_at)
        lines.push_back({"it is gone; bulkhead receipts tells what it used"});
    else
        add_table(view, model, size, lines);
    lines.resize(size.lines);
    if (size.lines > 1)
        lines.back() = {foot(view), Emphasis::kNone};
    for (Line& line : lines)
        line.text = fit(line.text, size.columns);
    return lines;
}

std::string table_text(const View& view, const Model& model) {
    constexpr std::size_t kName = 24;
    std::string text = head(kName) + "\n";
    for (const Row* row : model.rows(view.sort, view.order, view.filter))
        text += table_line(*row, kName, view.glyphs) + "\n";
    return text;
}

}  // namespace bulkhead::runtime::top
