#include "runtime/policy/mistakes.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <tuple>
#include <utility>

namespace bulkhead::policy {
namespace {

// A message of more would hide what the person has to read first.
constexpr std::size_t kMostShown = 50;
// Words longer than this are not typing errors of ours.
constexpr std::size_t kLongestWord = 64;

char lower(char letter) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

// Insertions, deletions, replacements and swaps of neighbours between two words, letter case aside.
std::size_t distance(std::string_view from, std::string_view to) {
    const auto same = [&](std::size_t i, std::size_t j) { return lower(from[i]) == lower(to[j]); };
    std::vector<std::size_t> before, above, row(to.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < from.size(); ++i) {
        before = std::exchange(above, row);
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); ++j) {
            row[j + 1] = std::min({above[j] + (same(i, j) ? 0 : 1), row[j] + 1, above[j + 1] + 1});
            if (i != 0 && j != 0 && same(i, j - 1) && same(i - 1, j))
                row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
        }
    }
    return row[to.size()];
}

}  // namespace

std::string describe(const std::vector<Source>& sources, const Place& place) {
    std::string name = place.source < sources.size() ? sources[place.source].name : "?";
    if (place.line == 0)
        return name;
    return name + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

Error Mistakes::to_error(const std::vector<Source>& sources) const {
    std::vector<Mistake> sorted = list_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Mistake& a, const Mistake& b) {
        return std::tie(a.place.source, a.place.line, a.place.column) <
               std::tie(b.place.source, b.place.line, b.place.column);
    });
    std::string text;
    for (std::size_t i = 0; i < std::min(sorted.size(), kMostShown); ++i)
        text += (i == 0 ? "" : "\n") + describe(sources, sorted[i].place) + ": " + sorted[i].what;
    if (sorted.size() > kMostShown)
        text += "\nand " + std::to_string(sorted.size() - kMostShown) + " more";
    return Error(0, std::move(text), Fault::kUsage);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
    if (word.empty() || word.size() > kLongestWord)
        return "";
    std::size_t nearest = std::max<std::size_t>(word.size() / 3, 1) + 1;
    std::string_view found;
    for (const std::string_view candidate : known) {
        const std::size_t steps = distance(word, candidate);
        if (steps < nearest) {
            nearest = steps;
            found = candidate;
        }
    }
    return found.empty() ? "" : "; did you mean \"" + std::string(found) + "\"?";
}

}  // namespace bulkhead::policy
