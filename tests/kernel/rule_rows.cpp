#include "tests/kernel/rule_rows.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <utility>

#include "bpf/wire_rows.h"
#include "loader/pins.h"
#include "loader/route_rows.h"
#include "loader/tree_rules.h"

namespace bulkhead::tests {
namespace {

constexpr __u32 kMappedBits = 96;

loader::RouteRow parse_prefix(const std::string& prefix) {
    loader::RouteRow row;
    const std::size_t slash = prefix.find('/');
    const std::string address = prefix.substr(0, slash);
    row.prefix_bits = static_cast<__u32>(std::stoul(prefix.substr(slash + 1)));
    if (::inet_pton(AF_INET6, address.c_str(), row.address) == 1)
        return row;
    EXPECT_EQ(::inet_pton(AF_INET, address.c_str(), row.address + 12), 1) << prefix;
    row.address[10] = row.address[11] = 0xff;
    row.prefix_bits += kMappedBits;
    return row;
}

// The index of the node at `path`, made with all above it, which inherit.
std::uint32_t node_at(loader::PlacedTree& tree, std::uint32_t root, const std::string& path) {
    std::uint32_t node = root;
    std::istringstream names(path);
    for (std::string name; std::getline(names, name, '/');) {
        const auto found = std::find_if(tree.nodes.begin(), tree.nodes.end(), [&](const auto& one) {
            return one.parent == node && one.name == name;
        });
        const auto index = static_cast<std::uint32_t>(found - tree.nodes.begin());
        if (found == tree.nodes.end())
            tree.nodes.push_back({node, name, tree.nodes[node].rule, tree.nodes[node].rights, 0});
        node = index;
    }
    return node;
}

}  // namespace

void put_trees(const BareEnvironment& environment, __u32 generation, __u32 dev,
               const std::vector<TreeRule>& rules) {
    loader::PlacedTree tree;
    tree.nodes = {{0, "", 0, kAllRights, 0}, {1, "", 0, kAllRights, 0}};
    tree.roots = {{0, 0}, {dev, 1}};
    for (const TreeRule& rule : rules) {
        loader::PlacedNode& node = tree.nodes[node_at(tree, 1, rule.path)];
        node.rights = rule.rights;
        node.rule = rule.rule;
        node.flags = BH_NODE_NAMED | rule.flags;
    }
    const auto put = loader::put_tree(environment.label(), generation, tree);
    ASSERT_TRUE(put.has_value()) << put.error().message();
}

void put_route(const BareEnvironment& environment, __u32 generation, const std::string& prefix,
               std::initializer_list<bh_port_rule> ports) {
    // The rows of a generation are made of all its prefixes together.
    static std::map<std::pair<__u32, __u32>, std::vector<loader::RouteRow>> written;
    auto& routes = written[{environment.label().serial, generation}];
    std::copy(ports.begin(), ports.end(), routes.emplace_back(parse_prefix(prefix)).route.ports);
    ASSERT_TRUE(loader::put_routes(environment.label(), generation, routes).has_value());
}

void put_policy(const BareEnvironment& environment, __u32 generation, const bh_policy& policy) {
    const auto policies = loader::open_pinned_map<bh_policy_key, bh_policy>("bh_policies");
    ASSERT_TRUE(policies.has_value());
    ASSERT_TRUE(policies->put({environment.label(), generation, 0}, policy).has_value());
}

namespace {

template <typename Visit>
void for_each_rule_row(Visit visit) {
    const auto policies = loader::open_pinned_map<bh_policy_key, bh_policy>("bh_policies");
    const auto routes = loader::open_pinned_map<bh_route_key, bh_route_row>("bh_routes");
    const auto peers = loader::open_pinned_map<bh_peer_key, bh_peer>("bh_peers");
    const auto uses = loader::open_pinned_map<bh_rule_key, bh_rule_uses>("bh_rule_use");
    ASSERT_TRUE(policies.has_value() && routes.has_value() && peers.has_value() &&
                uses.has_value());
    const auto see = [&](const auto& key) { visit(key.label, key.generation); };
    EXPECT_TRUE(policies->for_each_key(see).has_value());
    EXPECT_TRUE(routes->for_each_key(see).has_value());
    EXPECT_TRUE(uses->for_each_key(see).has_value());
    const auto nodes = loader::open_pinned_map<bh_node_key, bh_node>("bh_nodes");
    const auto roots = loader::open_pinned_map<bh_root_key, bh_node>("bh_roots");
    const auto lists = loader::open_pinned_map<bh_rows_key, bh_rows>("bh_rows");
    ASSERT_TRUE(nodes.has_value() && roots.has_value() && lists.has_value());
    const auto see_policy_of = [&](const auto& key) { see(key.policy); };
    EXPECT_TRUE(nodes->for_each_key(see_policy_of).has_value());
    EXPECT_TRUE(roots->for_each_key(see_policy_of).has_value());
    EXPECT_TRUE(lists->for_each_key(see_policy_of).has_value());
    const auto see_peer = [&](const bh_peer_key& key) { see(key.policy); };
    EXPECT_TRUE(peers->for_each_key(see_peer).has_value());
}

// No environment has this serial.
constexpr bh_label kNobody{0, 0xffffffff};

}  // namespace

RuleRows rule_rows_of(BareEnvironment& environment) {
    RuleRows rows{};
    const __u32 current = generation_of(environment);
    for_each_rule_row([&](const bh_label& label, __u32 generation) {
        if (label.serial == environment.label().serial)
            ++(generation == current ? rows.current : rows.others);
    });
    return rows;
}

std::size_t all_rule_rows() {
    std::size_t count = 0;
    for_each_rule_row([&](const bh_label&, __u32) { ++count; });
    return count;
}

namespace {

// As many of these rows as there is room for.
template <typename Value, typename Key>
void fill(const char* map, std::vector<Key>& keys) {
    std::size_t written = 0;
    const auto rows = loader::open_pinned_map<Key, Value>(map);
    EXPECT_FALSE(rows->put_all(keys, std::vector<Value>(keys.size()), written));
    keys.resize(written);
}

template <typename Value, typename Key>
void empty(const char* map, const std::vector<Key>& keys) {
    EXPECT_TRUE((loader::open_pinned_map<Key, Value>(map)->erase_all(keys)));
}

}  // namespace

Filling::Filling(FullMap map) {
    switch (map) {
        case FullMap::kPolicies:
            for (__u32 i = 0; i < 2 * BH_MAX_ENVIRONMENTS; ++i)
                policies_.push_back({kNobody, i, 0});
            fill<bh_policy>("bh_policies", policies_);
            return;
        case FullMap::kRoutes:
            for (__u32 i = 0; i < BH_MAX_ROUTE_ROWS; ++i)
                routes_.push_back({kNobody, i, 0});
            fill<bh_route_row>("bh_routes", routes_);
            return;
        case FullMap::kNodes:
            for (__u32 i = 0; i <= BH_MAX_NODES; ++i)
                nodes_.push_back({{kNobody, i, 0}, {}, 0, 0});
            fill<bh_node>("bh_nodes", nodes_);
            return;
    }
}

Filling::~Filling() {
    empty<bh_policy>("bh_policies", policies_);
    empty<bh_route_row>("bh_routes", routes_);
    empty<bh_node>("bh_nodes", nodes_);
}

__u32 generation_of(BareEnvironment& environment) {
    return static_cast<__u32>(BH_CONTROL_GENERATION(environment.record().control));
}

bh_port_rule all_ports(bh_verdict verdict, __u16 rule, __u8 protocol) {
    return {0, 65535, protocol, static_cast<__u8>(verdict), rule};
}

bh_port_rule one_port(bh_verdict verdict, __u16 port, __u8 protocol, __u16 rule) {
    return {port, port, protocol, static_cast<__u8>(verdict), rule};
}

}  // namespace bulkhead::tests
