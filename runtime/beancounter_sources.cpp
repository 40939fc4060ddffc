#include "runtime/beancounter_sources.h"

#include <algorithm>
#include <array>

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kPage = kBeancounterPageBytes;

constexpr std::array kInCgroup = {
    InCgroup{BH_BEANCOUNTER_NUMPROC, "pids.max", "pids.events", "max", 1},
    InCgroup{BH_BEANCOUNTER_PHYSPAGES, "memory.max", "memory.events", "oom", kPage},
    InCgroup{BH_BEANCOUNTER_SWAPPAGES, "memory.swap.max", "memory.swap.events", "max", kPage},
};

constexpr std::array kInMemory = {
    InMemory{BH_BEANCOUNTER_KMEMSIZE, "kernel", 1},
    InMemory{BH_BEANCOUNTER_SHMPAGES, "shmem", kPage},
    InMemory{BH_BEANCOUNTER_LOCKEDPAGES, "unevictable", kPage},
    InMemory{BH_BEANCOUNTER_DCACHESIZE, "slab_reclaimable", 1},
};

constexpr const char* kNone = " has no limit of its own";
constexpr const char* kPartOfMemory = "it is part of physpages, which has one";
constexpr const char* kBuffers =
    " has no limit of its own: the kernel asks no program before it fills a socket's buffer";
constexpr const char* kBuffersRemedy =
    "physpages bounds the buffers of all sockets, numtcpsock and numothersock how many there are, "
    "and sysctl net.ipv4.tcp_wmem and tcp_rmem inside what one TCP socket takes";

constexpr std::array kUnbounded = {
    Unbounded{BH_BEANCOUNTER_KMEMSIZE, kNone, kPartOfMemory},
    Unbounded{BH_BEANCOUNTER_SHMPAGES, kNone, kPartOfMemory},
    Unbounded{BH_BEANCOUNTER_LOCKEDPAGES, kNone, kPartOfMemory},
    Unbounded{BH_BEANCOUNTER_DCACHESIZE, kNone, kPartOfMemory},
    Unbounded{
        BH_BEANCOUNTER_NUMMNT,
        " has no limit of its own: one request may mount many, and the kernel asks no program "
        "how many",
        "the policy's [mounts] family refuses them all, and sysctl fs.mount-max bounds each "
        "mount namespace"},
    Unbounded{BH_BEANCOUNTER_PRIVVMPAGES,
              " has no limit of its own: the kernel lets no program judge what is mapped and not "
              "used",
              "physpages and swappages bound what is used of it, RLIMIT_DATA what a process maps"},
    Unbounded{BH_BEANCOUNTER_TCPSNDBUF, kBuffers, kBuffersRemedy},
    Unbounded{BH_BEANCOUNTER_TCPRCVBUF, kBuffers, kBuffersRemedy},
    Unbounded{BH_BEANCOUNTER_OTHERSOCKBUF, kBuffers, kBuffersRemedy},
    Unbounded{BH_BEANCOUNTER_DGRAMRCVBUF, kBuffers, kBuffersRemedy},
    Unbounded{BH_BEANCOUNTER_NUMIPTENT,
              " has no limit of its own: the kernel asks no program before it takes a rule",
              "its memory is part of physpages, and nobody inside makes one unless the policy's "
              "[network] families has other or raw"},
};

template <typename Rows>
auto row_of(const Rows& rows, unsigned counter) -> const typename Rows::value_type* {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const auto& row) { return row.counter == counter; });
    return found == rows.end() ? nullptr : &*found;
}

}  // namespace

const InCgroup* in_cgroup(unsigned counter) {
    return row_of(kInCgroup, counter);
}

const InMemory* in_memory(unsigned counter) {
    return row_of(kInMemory, counter);
}

const Unbounded* unbounded(unsigned counter) {
    return row_of(kUnbounded, counter);
}

}  // namespace bulkhead::runtime
