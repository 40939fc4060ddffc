// Kinds of devices, by the names that [kernel] ioctl has for them.
#pragma once

#include <optional>
#include <string_view>

#include "bpf/wire.h"

namespace bulkhead::policy {

std::string_view device_kind_name(unsigned kind);
std::optional<bh_device_kind> find_device_kind(std::string_view name);

}  // namespace bulkhead::policy
