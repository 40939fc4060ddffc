#include "runtime/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t unix_ns_of_boot_ns(std::uint64_t boot_ns) {
    return now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME) + boot_ns;
}

std::string rfc3339(std::uint64_t unix_ns) {
    const auto seconds = static_cast<std::time_t>(unix_ns / kSecond);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    return fmt::format("{}.{:09}Z", text, unix_ns % kSecond);
}

}  // namespace bulkhead::runtime
