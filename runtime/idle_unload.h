// Taking the programs out when nobody has lived for a time, as `bulkhead unload` does it. Whether
// it is time is decided from what was seen of the kernel and by the clock alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "loader/result.h"

namespace bulkhead::runtime {

// What the kernel's row says, which any life changes.
struct Occupancy {
    std::uint64_t loaded_ns = 0;    // CLOCK_BOOTTIME; 0: nothing is loaded
    std::uint32_t next_serial = 0;  // grows with each environment
    std::uint32_t slots = 0;  // 0: no environment is there, ended and kept or adopted ones included

    bool operator==(const Occupancy&) const = default;
};

// What was last seen, and since when nobody lives and nobody came.
struct Idle {
    Occupancy seen;
    std::uint64_t since_ns = 0;
};

// As of CLOCK_BOOTTIME `now_ns`.
Idle look_again(const Idle& before, const Occupancy& seen, std::uint64_t now_ns);
// `after_ns` without anybody have passed. BH_NEVER: they never do.
bool is_due(const Idle& idle, std::uint64_t after_ns, std::uint64_t now_ns);

// A duration of at least a second, or "never".
Result<std::uint64_t> parse_idle_after(const std::string& text);

class IdleUnload {
public:
    // `store_ended`: see unload_programs().
    IdleUnload(std::uint64_t after_ns, std::function<void()> store_ended);

    // To be called about once a second. True: the programs were taken out. While something is in
    // the way that is the error, the same until it is tried again, after as long once more.
    Result<bool> once(std::uint64_t now_ns);

private:
    Status unload(std::uint64_t now_ns);

    std::uint64_t after_ns_;
    std::function<void()> store_ended_;
    Idle idle_;
    Status in_the_way_;
};

}  // namespace bulkhead::runtime
