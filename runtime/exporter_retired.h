// The sums of what ended environments used, in the place of their series: from the ledger, so that
// they go on where they were when the agent starts again.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "loader/result.h"
#include "runtime/ledger/ledger.h"

namespace bulkhead::runtime {

struct Retired {
    ledger::Totals totals;
    std::uint64_t environments = 0;
    std::set<std::uint32_t> serials;  // of those that were asked about: they are in the totals
};

// Stores what ended until now and reads the sums. `serials`: of environments that are there.
Result<Retired> read_retired(std::span<const std::uint32_t> serials);

// Since when the sums count; none: there is nothing in them.
std::optional<double> began_unix_s(const Retired& retired);

std::vector<prometheus::MetricFamily> retired_families(const Retired& retired);

}  // namespace bulkhead::runtime
