// A file of prices, in TOML: which quantities are billed, at how much, per what.
//
//   currency = "EUR"
//   digits = 4                            # amounts are whole ten-thousandths
//   [prices]
//   cpu = "0.045 per cpu-hour"
//   sent = "0.01 per GiB"
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace bulkhead::ledger {

// What a quantity is counted in; a unit of one cannot price another.
enum class Dimension { kTime, kBytes, kByteTime, kCount };

// A number of the documents that can be billed.
struct Quantity {
    std::string_view name;
    std::string_view path;       // in a document: "cpu.total_ns"
    std::string_view base_unit;  // of that number
    Dimension dimension;
    std::string_view meaning;
};

// Wall time and the start itself are in no document: they follow from the moments.
inline constexpr std::string_view kWallPath = "wall_ns";
inline constexpr std::string_view kStartsPath = "starts";

std::span<const Quantity> quantities();

struct Price {
    const Quantity* quantity = nullptr;
    std::string text;               // as the file has it
    std::uint64_t nano_amount = 0;  // billionths of the currency …
    std::uint64_t unit = 1;         // … for so many of the quantity's base unit
};

struct Prices {
    std::string currency;
    unsigned digits = 6;  // amounts are whole 10^-digits of the currency
    std::vector<Price> prices;
};

// Of every quantity, and nothing to pay: for what was used alone.
Prices unpriced();

// All mistakes at once, each with line and column (kUsage).
Result<Prices> parse_prices(const std::string& name, const std::string& text);
Result<Prices> load_prices(const std::string& path);

// What `used` costs, in 10^-digits of the currency; halves are rounded up. Saturates at 2^63 - 1.
std::int64_t cost_of(std::uint64_t used, const Price& price, unsigned digits);

// "1234.5600" of 12345600 with four digits.
std::string amount_text(std::int64_t amount, unsigned digits);

}  // namespace bulkhead::ledger
