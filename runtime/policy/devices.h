// Devices by the names that the machine has for them.
#pragma once

#include <string_view>

#include "loader/result.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// Whether [files] allow_devices takes this path.
bool is_device_name(std::string_view path);

// Looks at the nodes of rules.devices on this machine and fills their numbers in, also in the row
// for the kernel programs, unless devices are learned. kUsage, naming the rule, when there is no
// such device.
Status find_devices(Policy& policy);

}  // namespace bulkhead::policy
