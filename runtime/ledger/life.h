// An environment's life, by a key that is used once: the boot, the load of the programs in it (from
// which serials count), and the serial.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "loader/result.h"

namespace bulkhead::ledger {

struct Life {
    std::string boot;  // /proc/sys/kernel/random/boot_id
    std::uint64_t loaded_ns = 0;
    std::uint32_t serial = 0;

    friend bool operator==(const Life&, const Life&) = default;
    friend bool operator<(const Life& a, const Life& b) {
        return std::tie(a.boot, a.loaded_ns, a.serial) < std::tie(b.boot, b.loaded_ns, b.serial);
    }
};

Result<std::string> boot_id();

// Where the ledger lies: $BULKHEAD_LEDGER, or /var/lib/bulkhead/.ledger. The dot keeps it apart
// from the kept files of environments, whose names have none in front.
std::string directory();

}  // namespace bulkhead::ledger
