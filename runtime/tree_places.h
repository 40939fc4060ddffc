// Where the paths of [files] lie: a rule names a path of the environment, the kernel programs know
// super blocks and the names in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "loader/tree_rules.h"

namespace bulkhead::runtime {

// A line of /proc/PID/mountinfo.
struct MountPoint {
    std::uint64_t id = 0;
    std::uint32_t dev = 0;  // of the super block, as bh_device has it
    std::string root;       // what of the super block it shows
    std::string path;       // where
};

// Mounts that show no directory or file of a tree (namespaces) are left out.
std::vector<MountPoint> parse_mounts(std::string_view text);

// A path that a rule names, without symbolic links.
struct RulePath {
    std::string path;
    std::uint64_t mount = 0;  // MountPoint::id of what shows it, or the last directory above it
    std::uint32_t rule = 0;
    std::uint32_t rights = 0;  // bh_right
};

struct DefaultRights {
    std::uint32_t rule = 0;
    std::uint32_t rights = 0;
};

// The rows for these mounts. Where two mounts show one place, rules that name it hold before rights
// that come from above, and of several of a kind what all of them give. Outside of what mounts show
// of a super block nothing is given. An error is about the rule whose number `wrong` has (0: about
// no rule).
Result<loader::PlacedTree> place(const std::vector<MountPoint>& mounts,
                                 const std::vector<RulePath>& rules, const DefaultRights& otherwise,
                                 std::uint32_t& wrong);

}  // namespace bulkhead::runtime
