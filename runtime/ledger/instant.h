// Moments and periods as people write them. Without an offset they are UTC.
#pragma once

#include <cstdint>
#include <string>

#include "loader/result.h"

namespace bulkhead::ledger {

// "2026-11-24", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00+01:00", "now", or a time ago such as
// "36h": nanoseconds since 1970.
Result<std::uint64_t> parse_instant(const std::string& text, std::uint64_t now_unix_ns);

// Half-open: what happens at `end` belongs to the next one.
struct Period {
    std::uint64_t begin_unix_ns = 0;
    std::uint64_t end_unix_ns = 0;
};

// "2026", "2026-11", "2026-11-24", "2026-W48", or "FROM/TO" of two moments. Calendar periods begin
// and end at midnight UTC.
Result<Period> parse_period(const std::string& text, std::uint64_t now_unix_ns);

}  // namespace bulkhead::ledger
