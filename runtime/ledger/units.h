// The units that prices are given in.
#pragma once

#include <string>

#include "loader/result.h"
#include "runtime/ledger/prices.h"

namespace bulkhead::ledger {

// "0.045 per cpu-hour": an amount with at most nine digits behind the point, and a unit that
// measures the quantity.
Result<Price> price_of(const Quantity& quantity, const std::string& text);

std::string example_of(Dimension dimension);

}  // namespace bulkhead::ledger
