// The machine's own root as a template: everything that is secret on it is hidden in the writable
// layer that lies over it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::runtime {

enum class MaskKind : char {
    kDirectory = 'd',  // on the way to something hidden: as on the host
    kEmpty = 'e',      // an empty directory in the place of the host's
    kHidden = 'h',     // not there
};

struct MaskEntry {
    MaskKind kind;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    std::string path;  // without the leading /
};

// Parents before children. Searched for once for each boot and kept in /run/bulkhead. Hidden are:
// what others cannot read below /etc, /var, /srv and /opt, private keys, /root, /home and the
// homes that /etc/passwd names, and Bulkhead's own state.
Result<std::vector<MaskEntry>> host_mask();

// Writes the entries into `upper`, an overlay's upper directory, for ids from `uid_base`.
Status apply_mask(const std::vector<MaskEntry>& mask, int upper, uid_t uid_base);

}  // namespace bulkhead::runtime
