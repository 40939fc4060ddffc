#include "loader/rules.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loader/pins.h"
#include "loader/row_lists.h"
#include "loader/rule_use.h"

namespace bulkhead::loader {
namespace {

using Policies = MapView<bh_policy_key, bh_policy>;

Result<Policies> open_policies() {
    return open_pinned_map<bh_policy_key, bh_policy>("bh_policies");
}

bool is_of(const bh_label& owner, bh_label label) {
    return owner.slot == label.slot && owner.serial == label.serial;
}

Status explain_shortage(Status written, std::size_t rows, const char* map) {
    if (written || written.error().code() != E2BIG)
        return written;
    return fail(Error(ENOSPC, "the " + std::to_string(rows) +
                                  " rows of these rules do not fit into the map " + map +
                                  " beside those of the other environments")
                    .advise("give this policy fewer rules, or end environments that have many"));
}

Status write_routes(bh_label label, __u32 generation, const std::vector<RouteRow>& rows) {
    return explain_shortage(put_routes(label, generation, rows), rows.size(), "bh_routes");
}

Status write_policy(bh_label label, __u32 generation, const bh_policy& policy) {
    BULKHEAD_TRY_VALUE(policies, open_policies());
    return explain_shortage(policies.put({label, generation, 0}, policy), 1, "bh_policies");
}

Status erase_policy(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(policies, open_policies());
    BULKHEAD_TRY(policies.erase({label, generation, 0}));
    return {};
}

__u32 sysctl_node(PlacedTree& tree, __u32 parent, const std::string& name) {
    for (__u32 node = 0; node < tree.nodes.size(); ++node) {
        if (tree.nodes[node].parent == parent && node != parent && tree.nodes[node].name == name)
            return node;
    }
    const PlacedNode& above = tree.nodes[parent];
    const bool inherits = (above.flags & BH_NODE_BENEATH) != 0;
    tree.nodes.push_back({parent, name, inherits ? above.rule : 0, 0, inherits ? above.flags : 0});
    return static_cast<__u32>(tree.nodes.size() - 1);
}

// What covers others comes first, so that these inherit it.
void place_sysctls(std::vector<SysctlRow> rows, PlacedTree& tree) {
    std::stable_sort(rows.begin(), rows.end(), [](const SysctlRow& one, const SysctlRow& other) {
        return one.names.size() < other.names.size();
    });
    const auto root = static_cast<__u32>(tree.nodes.size());
    tree.nodes.push_back({root, "", 0, 0, 0});
    tree.roots.push_back({.dev = BH_ROOT_PROC, .node = root});
    const __u32 all = sysctl_node(tree, root, "sys");
    for (const SysctlRow& row : rows) {
        __u32 node = all;
        for (const std::string& name : row.names)
            node = sysctl_node(tree, node, name);
        tree.nodes[node].rule = row.rule;
        tree.nodes[node].flags |= row.flags;
    }
}

Status write_places(bh_label label, __u32 generation, const Rules& rules) {
    if (rules.nodes.empty() && rules.sysctls.empty())
        return {};
    if (!rules.nodes.empty() && rules.places.roots.empty())
        return fail(Error(EINVAL, "rules on paths without places"));
    const auto put = [&](const PlacedTree& tree) {
        return explain_shortage(put_tree(label, generation, tree), tree.nodes.size(), "bh_nodes");
    };
    if (rules.sysctls.empty() && (rules.policy.flags & BH_POLICY_REVOKES) == 0)
        return put(rules.places);
    PlacedTree tree = rules.nodes.empty() ? PlacedTree{} : rules.places;
    if ((rules.policy.flags & BH_POLICY_REVOKES) != 0) {
        for (PlacedNode& node : tree.nodes)
            node.flags |= BH_NODE_REVOKES;
    }
    if (!rules.sysctls.empty())
        place_sysctls(rules.sysctls, tree);
    return put(tree);
}

Status write_peers(bh_label label, __u32 generation, const std::vector<PeerRow>& rows) {
    return explain_shortage(put_peers(label, generation, rows), rows.size(), "bh_peers");
}

Status write_uses(bh_label label, __u32 generation, const Rules& rules) {
    const std::vector<__u32> counted = counted_rules(rules);
    return explain_shortage(put_rule_uses(label, generation, counted), counted.size(),
                            "bh_rule_use");
}

}  // namespace

bool Rules::has_rows() const {
    return !nodes.empty() || !routes.empty() || !peers.empty() || policy.listen_count != 0 ||
           policy.device_count != 0 || policy.flags != 0 || policy.audited != 0 ||
           policy.learned != 0 || BH_CONTROL_REFUSES(control, BH_CLASS_DROPPED_CAPABILITIES) ||
           BH_CONTROL_REFUSES(control, BH_CLASS_DRIFT);
}

bool Rules::lets_through(bh_class class_id) const {
    return !BH_CONTROL_REFUSES(control, class_id) ||
           ((policy.audited | policy.learned) >> class_id & 1) != 0 ||
           BH_CONTROL_MODE(control) == BH_MODE_AUDIT;
}

bool Rules::gives_cgroups() const {
    return (policy.flags & BH_POLICY_OWN_CGROUPS) != 0 || lets_through(BH_CLASS_CGROUPS);
}

bool Rules::gives_sysctls() const {
    return !sysctls.empty() || lets_through(BH_CLASS_SYSCTL);
}

__u32 Rules::demand_flags() const {
    return ((policy.flags & BH_POLICY_REVOKES) != 0 ? __u32{BH_ENV_REVOKES} : 0) |
           ((policy.flags & BH_POLICY_IOCTLS) != 0 ? __u32{BH_ENV_IOCTLS} : 0) |
           ((policy.flags & BH_POLICY_NAMES) != 0 ? __u32{BH_ENV_NAMES} : 0);
}

Status write_rows(bh_label label, __u32 generation, const Rules& rules) {
    BULKHEAD_TRY(write_policy(label, generation, rules.policy));
    auto written = write_routes(label, generation, rules.routes);
    if (written)
        written = write_places(label, generation, rules);
    if (written)
        written = write_peers(label, generation, rules.peers);
    if (written)
        written = write_uses(label, generation, rules);
    if (!written)
        BULKHEAD_TRY(erase_rows(label, generation));
    return written;
}

Status erase_rows(bh_label label, __u32 generation) {
    BULKHEAD_TRY(drop_tree(label, generation));
    BULKHEAD_TRY(drop_peers(label, generation));
    BULKHEAD_TRY(drop_rule_uses(label, generation));
    BULKHEAD_TRY(drop_routes(label, generation));
    return erase_policy(label, generation);
}

Status erase_other_rows(bh_label label, __u32 kept) {
    BULKHEAD_TRY(drop_other_trees(label, kept));
    BULKHEAD_TRY(drop_other_peers(label, kept));
    BULKHEAD_TRY(drop_other_rule_uses(label, kept));
    BULKHEAD_TRY_VALUE(policies, open_policies());
    std::vector<bh_policy_key> others;
    BULKHEAD_TRY(policies.for_each_key([&](const bh_policy_key& key) {
        if (is_of(key.label, label) && key.generation != kept)
            others.push_back(key);
    }));
    BULKHEAD_TRY(policies.erase_all(others));
    BULKHEAD_TRY(drop_other_routes(label, kept));
    return drop_other_row_lists(label, kept);
}

}  // namespace bulkhead::loader
