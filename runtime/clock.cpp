#include "runtime/clock.h"

#include <chrono>
#include <ctime>
#include <limits>

#include "runtime/format.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

// "2026-11-22T12:51:34". Not by gmtime_r(3): the first call of it reads the machine's time zone,
// which costs a start more than opening its cgroup.
std::string calendar(std::uint64_t unix_ns) {
    namespace time = std::chrono;
    const time::sys_seconds at{time::seconds{unix_ns / kSecond}};
    const auto day = time::floor<time::days>(at);
    const time::year_month_day date{day};
    const time::hh_mm_ss clock{at - day};
    return formatted("{}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

// Who is preempted between two clocks reads a time that never was: of a few readings, the one that
// took the least time counts.
std::uint64_t unix_ns_of_boot_ns(std::uint64_t boot_ns) {
    std::uint64_t least_ns = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t boot_unix_ns = 0;
    for (int reading = 0; reading < 3; ++reading) {
        const std::uint64_t before_ns = now_ns(CLOCK_BOOTTIME);
        const std::uint64_t unix_ns = now_ns(CLOCK_REALTIME);
        const std::uint64_t took_ns = now_ns(CLOCK_BOOTTIME) - before_ns;
        if (took_ns < least_ns) {
            least_ns = took_ns;
            boot_unix_ns = unix_ns - before_ns - took_ns / 2;
        }
    }
    return boot_unix_ns + boot_ns;
}

std::string rfc3339(std::uint64_t unix_ns) {
    return formatted("{}.{:09}Z", calendar(unix_ns), unix_ns % kSecond);
}

std::string day_and_time(std::uint64_t unix_ns) {
    return calendar(unix_ns) + "Z";
}

std::uint64_t unix_now_ns() {
    return now_ns(CLOCK_REALTIME);
}

std::string utc_now() {
    return day_and_time(now_ns(CLOCK_REALTIME));
}

}  // namespace bulkhead::runtime
