// Which kernel objects are ours, as the guard has them: by kind and id.
#pragma once

#include "loader/result.h"

namespace bulkhead::loader {

// Puts all that is pinned below kPinRoot, and the programs of its links, into the map `owned`.
Status own_all_pinned(int owned);

}  // namespace bulkhead::loader
