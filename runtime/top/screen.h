// `bulkhead top` on a terminal, until the person has seen enough.
#pragma once

#include <cstdint>

#include "loader/result.h"
#include "runtime/top/view.h"

namespace bulkhead::runtime::top {

// Standard input and output are a terminal. `interval_ms`: from one reading to the next.
Status show(View view, std::uint64_t interval_ms);

// Two readings, `interval_ms` apart.
Result<Model> read_twice(std::uint64_t interval_ms);

// What the person's terminal can show, by its locale.
Glyphs glyphs_of_locale();

}  // namespace bulkhead::runtime::top
