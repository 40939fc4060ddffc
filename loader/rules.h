// The rules of a policy as the kernel programs read them: rows keyed by environment and generation.
#pragma once

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/peer_rules.h"
#include "loader/result.h"
#include "loader/route_rows.h"
#include "loader/tree_rules.h"

namespace bulkhead::loader {

// A path that a rule names, or a directory on the way to one. Parents come before their children;
// nodes[0] is the environment's root, with no name and the rights that hold by default.
struct TreeNode {
    __u32 parent = 0;  // index in Rules::nodes
    std::string name;  // one component, at most 255 bytes
    __u32 rule = 0;    // number of the rule that the rights came from; 0: the default
    __u32 rights = 0;  // bh_right, those of the parent where no rule says otherwise
    __u32 flags = 0;   // bh_node_flags
};

// A device that may be opened inside, also by a node that is made at the start.
struct DeviceNode {
    std::string path;  // of the machine's node, below /dev
    __u32 rule = 0;    // number of the rule that names it
    __u32 mode = 0;    // st_mode; 0: not looked for yet
    __u64 device = 0;  // st_rdev
};

// A sysctl that may be written, or all beneath it, by the names below /proc/sys.
struct SysctlRow {
    std::vector<std::string> names;  // each at most 255 bytes
    __u32 rule = 0;                  // number of the rule that names it
    __u32 flags = 0;                 // of bh_node_flags: one of BH_NODE_SYSCTL, BH_NODE_BENEATH
};

// A compiled policy. `control` carries classes and mode; its generation is given at publication.
struct Rules {
    __u64 control = kDefaultControl;
    bh_policy policy{};
    std::vector<TreeNode> nodes;  // empty: no [files]
    PlacedTree places;            // where `nodes` lie in one environment; filled to be published
    std::vector<DeviceNode> devices;
    __u64 lent_capabilities = 0;  // a start gives them, and that they are used is learned
    std::vector<PeerRow> peers;
    std::vector<SysctlRow> sysctls;
    std::vector<RouteRow> routes;  // empty: no egress rules; else with rows for ::/0 and ::/128

    // False: the control word alone says everything, and publishing is one store.
    [[nodiscard]] bool has_rows() const;

    // True where writing to the cgroup file system may be let through, now or only recorded.
    [[nodiscard]] bool gives_cgroups() const;
    // Likewise below /proc/sys.
    [[nodiscard]] bool gives_sysctls() const;

    // Of bh_environment_flags: what programs on demand the policy needs beside those of its
    // classes.
    [[nodiscard]] __u32 demand_flags() const;

private:
    // Acts of the class are allowed, or only recorded.
    [[nodiscard]] bool lets_through(bh_class class_id) const;
};

// The rows of one generation of an environment. Whoever calls these holds lock_pins().

// When a row cannot be written, none are left. ENOSPC: a map is full, ENOMEM; EINVAL: there are
// nodes without places.
Status write_rows(bh_label label, __u32 generation, const Rules& rules);

// Rows of one generation.
Status erase_rows(bh_label label, __u32 generation);

// Rows of all generations but `kept`, whatever of them is there. Passes over all rows of all
// environments: for what a killed process left.
Status erase_other_rows(bh_label label, __u32 kept);

}  // namespace bulkhead::loader
