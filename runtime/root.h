// The root file system of an environment: what the host's side of it opens before, and how it is
// put together in the new mount namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/channel.h"
#include "runtime/host_template.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Detached copies of the host's directories, taken while the host's mounts are unlocked.
struct RootSources {
    UniqueFd lower;                // the template or the root itself
    std::vector<MaskEntry> mask;   // over the host's root: what is hidden
    UniqueFd kept;                 // where a kept writable layer lies; else a tmpfs is made
    std::vector<UniqueFd> mounts;  // in the order of spec.mounts
    UniqueFd host_sys;             // with the host's network: its /sys
    UniqueFd beancounters;         // with bounds: the file that tells what is held
};

Result<RootSources> open_sources(const EnvironmentSpec& spec);
// Makes the kept layer when the specification wants one. It is the name's: taken before.
Status open_kept_layer(const EnvironmentSpec& spec, RootSources& sources);

// Whose ids and namespaces the root is made for.
struct RootOwner {
    int user_namespace;
    int mount_namespace;
    std::uint32_t uid_base;
};

struct BuiltRoot {
    Report devices;     // the super blocks that were used
    UniqueFd terminal;  // the master of /dev/pts/0, when the spec wants a terminal
};

// Builds the root on kStage in the mount namespace of `owner`. The caller's own mount namespace
// and working directory are as before when it returns.
Result<BuiltRoot> build_root(const EnvironmentSpec& spec, const RootSources& sources,
                             const RootOwner& owner);

}  // namespace bulkhead::runtime
