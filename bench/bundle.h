// The bundles that crun and runc start: what `crun spec` writes, with the namespaces, limits and
// mounts of `bulkhead run` added, as far as an OCI configuration of their versions can say them (no
// time namespace).
#pragma once

#include <string>

#include "loader/result.h"

namespace bulkhead::bench {

enum class Isolation {
    kOfTheSpec,  // with its masked and read-only paths and its device rules
    kBare,       // without: nothing then guards /proc and /sys but the user namespace
};

// Writes DIR/config.json for kRootfs; `cgroup` is a name below kCgroup.
Status write_bundle(const std::string& dir, const std::string& cgroup, Isolation isolation);

}  // namespace bulkhead::bench
