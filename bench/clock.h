// The guest's clock. Under `-icount shift=0` it advances by 1 ns for each guest instruction and,
// when the machine has nothing to run, to the next timer: so a difference is a cost that repeats,
// and waiting counts. On any other machine these are nanoseconds of wall time.
#pragma once

#include <cstdint>
#include <ctime>

namespace bulkhead::bench {

inline std::int64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Lets the kernel finish what it deferred (RCU callbacks, freeing of programs, namespaces and
// cgroups): on one CPU it would run inside the next measure.
inline void settle(long ms = 60) {
    const timespec wait{.tv_sec = 0, .tv_nsec = ms * 1'000'000};
    ::nanosleep(&wait, nullptr);
}

}  // namespace bulkhead::bench
