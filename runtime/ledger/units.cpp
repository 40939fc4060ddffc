#include "runtime/ledger/units.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/policy/mistakes.h"

namespace bulkhead::ledger {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t size;
};

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::array kTimes = {Unit{"second", kSecond}, Unit{"minute", 60 * kSecond},
                               Unit{"hour", 3600 * kSecond}, Unit{"day", 86400 * kSecond}};
constexpr std::array kBytes = {Unit{"byte", 1},
                               Unit{"kB", 1'000},
                               Unit{"MB", 1'000'000},
                               Unit{"GB", 1'000'000'000},
                               Unit{"TB", 1'000'000'000'000},
                               Unit{"KiB", 1ULL << 10},
                               Unit{"MiB", 1ULL << 20},
                               Unit{"GiB", 1ULL << 30},
                               Unit{"TiB", 1ULL << 40}};
constexpr std::array kCounts = {Unit{"one", 1}, Unit{"thousand", 1'000},
                                Unit{"million", 1'000'000}};

std::vector<std::pair<std::string, std::uint64_t>> units_of(Dimension dimension) {
    std::vector<std::pair<std::string, std::uint64_t>> units;
    switch (dimension) {
        case Dimension::kTime:
            for (const Unit& unit : kTimes) {
                units.emplace_back(unit.name, unit.size);
                units.emplace_back("cpu-" + std::string(unit.name), unit.size);
            }
            break;
        case Dimension::kBytes:
            for (const Unit& unit : kBytes)
                units.emplace_back(unit.name, unit.size);
            break;
        case Dimension::kByteTime:
            for (const Unit& bytes : kBytes)
                for (const Unit& time : kTimes)
                    units.emplace_back(std::string(bytes.name) + "-" + std::string(time.name),
                                       bytes.size * (time.size / kSecond));
            break;
        case Dimension::kCount:
            for (const Unit& unit : kCounts)
                units.emplace_back(unit.name, unit.size);
            break;
    }
    return units;
}

// Decimal digits with at most one point, as billionths.
std::optional<std::uint64_t> parse_amount(std::string_view text) {
    constexpr int kPlaces = 9;
    constexpr std::uint64_t kMost = 1'000'000'000'000'000'000;
    std::uint64_t amount = 0;
    int places = -1;
    for (const char letter : text) {
        if (letter == '.' && places < 0) {
            places = 0;
            continue;
        }
        if (letter < '0' || letter > '9' || places == kPlaces || amount > kMost / 100)
            return std::nullopt;
        amount = amount * 10 + static_cast<std::uint64_t>(letter - '0');
        places += places >= 0 ? 1 : 0;
    }
    if (text.empty() || text.back() == '.' || text.front() == '.')
        return std::nullopt;
    for (int i = places < 0 ? 0 : places; i < kPlaces; ++i) {
        if (amount > kMost / 10)
            return std::nullopt;
        amount *= 10;
    }
    return amount;
}

Error unknown_unit(Dimension dimension, const std::string& name) {
    const auto units = units_of(dimension);
    std::vector<std::string_view> known;
    known.reserve(units.size());
    for (const auto& [unit, size] : units)
        known.push_back(unit);
    return Error(0, "the unit " + name + " does not measure it" +
                        policy::did_you_mean(name, known) + "; write \"" + example_of(dimension) +
                        "\"");
}

}  // namespace

std::string example_of(Dimension dimension) {
    switch (dimension) {
        case Dimension::kTime:
            return "0.045 per hour";
        case Dimension::kBytes:
            return "0.01 per GiB";
        case Dimension::kByteTime:
            return "0.006 per GiB-hour";
        case Dimension::kCount:
            break;
    }
    return "0.40 per million";
}

Result<Price> price_of(const Quantity& quantity, const std::string& text) {
    constexpr std::string_view kPer = " per ";
    const auto per = text.find(kPer);
    if (per == std::string::npos)
        return fail_usage("\"" + text + "\" is no price; write \"" +
                          example_of(quantity.dimension) + "\"");
    const auto amount = parse_amount(std::string_view(text).substr(0, per));
    if (!amount)
        return fail_usage("\"" + text.substr(0, per) +
                          "\" is no amount: digits, a point, at most nine more");
    const std::string name = text.substr(per + kPer.size());
    for (const auto& [unit, size] : units_of(quantity.dimension))
        if (unit == name)
            return Price{&quantity, text, *amount, size};
    return fail(unknown_unit(quantity.dimension, name));
}

}  // namespace bulkhead::ledger
