// The rows of [files]: trees of paths, one for each super block that an environment uses.
#pragma once

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// A component of a path within one super block, and what holds there.
struct PlacedNode {
    __u32 parent = 0;  // index in PlacedTree::nodes; of a root: its own
    std::string name;  // at most 255 bytes; of a root: empty
    __u32 rule = 0;    // number of the rule that the rights came from; 0: the default
    __u32 rights = 0;  // bh_right
    __u32 flags = 0;   // bh_node_flags
};

struct PlacedRoot {
    __u32 dev = 0;   // as bh_device has it; 0: every super block that is not listed
    __u32 node = 0;  // index in PlacedTree::nodes
};

// Parents come before their children, which are at most BH_MAX_NODE_DEPTH below a root.
struct PlacedTree {
    std::vector<PlacedNode> nodes;
    std::vector<PlacedRoot> roots;
};

// Puts the rows of a generation that is not published yet. After an error none of them is left;
// E2BIG: the maps are full. A root of dev 0 or BH_ROOT_PROC is needed.
Status put_tree(bh_label label, __u32 generation, const PlacedTree& tree);

// Whether a generation has rows of [files] that were written entire.
Result<bool> has_tree(bh_label label, __u32 generation);

// Takes away the rows of a generation. Without rows: nothing.
Status drop_tree(bh_label label, __u32 generation);

// Takes away the rows of all generations but `kept`, whatever of them is there.
Status drop_other_trees(bh_label label, __u32 kept);

// Chooses what names are hashed with; before the first row is put.
Status seed_names(int name_key_map);

}  // namespace bulkhead::loader
