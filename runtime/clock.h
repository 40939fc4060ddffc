// The kernel programs keep time by CLOCK_BOOTTIME; people and other programs by the calendar.
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::runtime {

// Nanoseconds since 1970. As the wall clock is set now, so it may differ by what it was adjusted.
std::uint64_t unix_ns_of_boot_ns(std::uint64_t boot_ns);

// "2026-11-22T12:51:34.123456789Z"
std::string rfc3339(std::uint64_t unix_ns);

// "2026-11-22T12:51:34Z"
std::string day_and_time(std::uint64_t unix_ns);

// Nanoseconds since 1970, now.
std::uint64_t unix_now_ns();

// Now, as day_and_time() has it.
std::string utc_now();

}  // namespace bulkhead::runtime
