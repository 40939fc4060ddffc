// Where the beancounters are that programs do not count, and why some take no bound.
#pragma once

#include <cstdint>
#include <string_view>

#include "bpf/wire.h"

namespace bulkhead::runtime {

inline constexpr std::uint64_t kBeancounterPageBytes = 4096;

// What the environment's cgroup bounds, and where it says how often.
struct InCgroup {
    bh_beancounter_id counter;
    const char* limit;
    const char* events;
    std::string_view event;
    std::uint64_t unit;
};
// Null: its cgroup does not bound it.
const InCgroup* in_cgroup(unsigned counter);

// What is part of physpages, by its item of memory.stat.
struct InMemory {
    bh_beancounter_id counter;
    std::string_view item;
    std::uint64_t unit;
};
const InMemory* in_memory(unsigned counter);

// Only shown: nothing refuses what would go above a bound.
struct Unbounded {
    bh_beancounter_id counter;
    const char* reason;  // after its name
    const char* remedy;  // what does bound it
};
// Null: it takes a bound.
const Unbounded* unbounded(unsigned counter);

}  // namespace bulkhead::runtime
