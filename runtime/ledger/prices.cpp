#include "runtime/ledger/prices.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>

#include "runtime/ledger/units.h"
#include "runtime/policy/mistakes.h"
#include "runtime/policy/toml.h"

namespace bulkhead::ledger {
namespace {

using policy::Mistakes;
using policy::Place;

constexpr unsigned kMostDigits = 9;

constexpr std::array kQuantities = {
    Quantity{"cpu", "cpu.total_ns", "ns", Dimension::kTime, "CPU time"},
    Quantity{"memory", "memory.byte_seconds", "byte-s", Dimension::kByteTime,
             "memory, for as long as it was held"},
    Quantity{"sent", "network.sent_bytes", "byte", Dimension::kBytes, "network traffic sent"},
    Quantity{"received", "network.received_bytes", "byte", Dimension::kBytes,
             "network traffic received"},
    Quantity{"read", "io.read_bytes", "byte", Dimension::kBytes, "block input"},
    Quantity{"written", "io.written_bytes", "byte", Dimension::kBytes, "block output"},
    Quantity{"read_operations", "io.read_operations", "operation", Dimension::kCount,
             "block input"},
    Quantity{"write_operations", "io.write_operations", "operation", Dimension::kCount,
             "block output"},
    Quantity{"processes", "tasks.forks", "process", Dimension::kCount,
             "processes and threads started"},
    Quantity{"wall", kWallPath, "ns", Dimension::kTime, "time from start to end"},
    Quantity{"starts", kStartsPath, "start", Dimension::kCount, "environments started"},
};

class Reader {
public:
    explicit Reader(Mistakes& mistakes) : mistakes_(mistakes) {}

    Prices read(const toml::table& top) {
        for (const auto& [key, node] : top)
            read_top(key, node);
        if (prices_.currency.empty())
            mistakes_.add({0, 1, 1}, "there is no currency: currency = \"EUR\"");
        if (prices_.prices.empty() && !had_prices_)
            mistakes_.add({0, 1, 1}, "there is no section [prices]");
        return std::move(prices_);
    }

private:
    static Place place(const toml::source_region& region) {
        return {0, region.begin.line, region.begin.column};
    }

    void read_top(const toml::key& key, const toml::node& node) {
        const std::string_view name = key.str();
        if (name == "currency")
            return read_currency(node);
        if (name == "digits")
            return read_digits(node);
        if (name != "prices") {
            static constexpr std::array<std::string_view, 3> kKnown = {"currency", "digits",
                                                                       "prices"};
            return mistakes_.add(place(key.source()), "there is no key " + std::string(name) +
                                                          policy::did_you_mean(name, kKnown));
        }
        const toml::table* table = node.as_table();
        if (table == nullptr)
            return mistakes_.add(place(key.source()), "prices is a section: [prices]");
        had_prices_ = true;
        for (const auto& [quantity, value] : *table)
            read_price(quantity, value);
    }

    void read_currency(const toml::node& node) {
        const auto* text = node.as_string();
        if (text == nullptr || text->get().empty())
            return mistakes_.add(place(node.source()), "currency: a text such as \"EUR\"");
        prices_.currency = text->get();
    }

    void read_digits(const toml::node& node) {
        const auto* number = node.as_integer();
        if (number == nullptr || number->get() < 0 || number->get() > kMostDigits)
            return mistakes_.add(place(node.source()), "digits: a number from 0 to 9");
        prices_.digits = static_cast<unsigned>(number->get());
    }

    void read_price(const toml::key& key, const toml::node& node) {
        const Quantity* quantity = find(key.str());
        if (quantity == nullptr)
            return unknown(key);
        const auto* text = node.as_string();
        if (text == nullptr)
            return mistakes_.add(place(node.source()), "[prices] " + std::string(key.str()) +
                                                           ": a text such as \"" +
                                                           example_of(quantity->dimension) + "\"");
        auto price = price_of(*quantity, text->get());
        if (!price)
            return mistakes_.add(place(node.source()), "[prices] " + std::string(key.str()) + ": " +
                                                           price.error().what());
        prices_.prices.push_back(std::move(*price));
    }

    void unknown(const toml::key& key) {
        std::vector<std::string_view> names;
        names.reserve(kQuantities.size());
        for (const Quantity& one : kQuantities)
            names.push_back(one.name);
        mistakes_.add(place(key.source()), "[prices] has no quantity " + std::string(key.str()) +
                                               policy::did_you_mean(key.str(), names));
    }

    static const Quantity* find(std::string_view name) {
        for (const Quantity& one : kQuantities)
            if (one.name == name)
                return &one;
        return nullptr;
    }

    Mistakes& mistakes_;
    Prices prices_;
    bool had_prices_ = false;
};

}  // namespace

std::span<const Quantity> quantities() {
    return kQuantities;
}

Prices unpriced() {
    Prices prices;
    for (const Quantity& quantity : kQuantities)
        prices.prices.push_back({.quantity = &quantity, .text = {}, .nano_amount = 0, .unit = 1});
    return prices;
}

Result<Prices> parse_prices(const std::string& name, const std::string& text) {
    Mistakes mistakes;
    Prices prices;
    try {
        prices = Reader(mistakes).read(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const auto& begin = error.source().begin;
        mistakes.add({0, begin.line, begin.column},
                     "this is not TOML: " + std::string(error.description()));
    }
    if (!mistakes.empty())
        return fail(mistakes.to_error({{name, text}}));
    return prices;
}

Result<Prices> load_prices(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        return fail(Error(errno, "open " + path, Fault::kUsage));
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    return parse_prices(path, text);
}

std::int64_t cost_of(std::uint64_t used, const Price& price, unsigned digits) {
    using Wide = unsigned __int128;
    Wide divisor = price.unit;
    for (unsigned i = digits; i < kMostDigits; ++i)
        divisor *= 10;
    const Wide dividend = Wide{used} * price.nano_amount;
    const Wide cost = dividend / divisor + (dividend % divisor >= divisor - dividend % divisor);
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    return cost > static_cast<Wide>(kMost) ? kMost : static_cast<std::int64_t>(cost);
}

std::string amount_text(std::int64_t amount, unsigned digits) {
    std::string text = std::to_string(amount);
    if (digits == 0)
        return text;
    if (text.size() <= digits)
        text.insert(0, digits + 1 - text.size(), '0');
    text.insert(text.size() - digits, ".");
    return text;
}

}  // namespace bulkhead::ledger
