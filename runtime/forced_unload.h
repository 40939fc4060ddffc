// The one way out of protection.
#pragma once

#include "loader/result.h"

namespace bulkhead::runtime {

// Puts down that protected programs are about to be taken out, and by whom: in the kernel's log,
// and with what `bulkhead events` tells. An error when the kernel's log does not take it.
Status log_forced_unload();

}  // namespace bulkhead::runtime
