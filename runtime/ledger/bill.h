// What environments used in a period, and what that costs.
//
// Of each life there are readings of absolute counts: its start (nothing), those that were noted at
// the edges of hours while it ran, and its end. What was used between two readings belongs to the
// period in which the later one lies. So consecutive periods add up to the receipt, whatever was
// not running at their edges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/result.h"
#include "runtime/json.h"
#include "runtime/ledger/instant.h"
#include "runtime/ledger/ledger.h"
#include "runtime/ledger/prices.h"

namespace bulkhead::ledger {

enum class Standing { kEnded, kRunning };

struct BillItem {
    const Price* price = nullptr;
    std::optional<std::uint64_t> used;  // in the quantity's base unit; none: it was not metered
    std::int64_t amount = 0;            // in 10^-digits of the currency
};

struct BillLine {
    std::string environment;
    Life life;
    std::uint64_t started_unix_ns = 0;
    std::uint64_t until_unix_ns = 0;  // of the last reading
    Standing standing = Standing::kEnded;
    std::vector<BillItem> items;  // a price each, in their order
    std::int64_t amount = 0;      // their sum
};

struct Bill {
    Period period;
    Prices prices;
    std::vector<BillLine> lines;
    std::int64_t amount = 0;  // the sum of the lines
};

// The last reading of each life before each edge of the period.
struct Readings {
    std::vector<Entry> before_begin;
    std::vector<Entry> noted;    // before the end
    std::vector<Entry> ended;    // receipts in the period
    std::vector<Entry> running;  // as of now; those of lives that ended are passed over
};

// `prices` is kept in the bill, to whose prices the items point.
Bill make_bill(const Period& period, Prices prices, const Readings& readings);

std::string bill_text(const Bill& bill);
std::string bill_csv(const Bill& bill);
Json bill_json(const Bill& bill);

// Of a bill at no prices (unpriced()): a receipt of the period for each life, a line each; a column
// for each quantity; or the documents, in which a quantity stands where a receipt has it.
std::string period_text(const Bill& bill);
std::string period_csv(const Bill& bill);
Json period_json(const Bill& bill);

const char* standing_name(Standing standing);

}  // namespace bulkhead::ledger
