// Devices by the names that the machine has for them.
#pragma once

#include "loader/result.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// Looks at the nodes of rules.devices on this machine and fills their numbers in, also in the row
// for the kernel programs. kUsage, naming the rule, when there is no such device.
Status find_devices(Policy& policy);

}  // namespace bulkhead::policy
