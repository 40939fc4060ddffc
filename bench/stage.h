// Where everything runs that is measured: a root file system on tmpfs, in a mount namespace of this
// process. The guest's own root comes over 9p, where opening a file costs a millisecond.
#pragma once

#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::bench {

inline constexpr const char* kRootfs =
    "/rootfs";  // for environments: bin/true, bin/pause and empty mount points
inline constexpr const char* kTrue = "/rootfs/bin/true";    // static
inline constexpr const char* kPause = "/rootfs/bin/pause";  // likewise

inline constexpr const char* kSelf = "/bench_tests";

// Has the same controllers for its children as the cgroup that holds the environments.
inline constexpr const char* kCgroup = "/sys/fs/cgroup/bench";

// What becomes kTrue and kPause.
struct Payloads {
    std::string ends_at_once;
    std::string stays;
};

// Copies `programs` (absolute paths) with the libraries they need, makes kRootfs with its payloads,
// mounts the kernel's file systems and moves this process onto it.
Status enter_stage(const std::vector<std::string>& programs, const Payloads& payloads);

}  // namespace bulkhead::bench
