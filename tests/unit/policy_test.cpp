// What a policy's text becomes.
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>

#include "runtime/policy/capabilities.h"
#include "runtime/policy/profiles.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

using policy::Policy;

// The rights of a path that stands in the tree, "" for the root; -1 when it does not.
int rights_of(const Policy& policy, const std::string& path) {
    const auto& nodes = policy.rules.nodes;
    std::vector<std::string> paths(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (i != 0)
            paths[i] = paths[nodes[i].parent] + "/" + nodes[i].name;
        if (paths[i] == path)
            return static_cast<int>(nodes[i].rights);
    }
    return -1;
}

const loader::RouteRow* row_of(const Policy& policy, const std::vector<int>& tail, unsigned bits) {
    const auto& routes = policy.rules.routes;
    const auto found = std::find_if(routes.begin(), routes.end(), [&](const auto& row) {
        return row.prefix_bits == bits &&
               std::equal(tail.begin(), tail.end(), row.address + 16 - tail.size());
    });
    return found == routes.end() ? nullptr : &*found;
}

bool refuses(const Policy& policy, bh_class class_id) {
    return BH_CONTROL_REFUSES(policy.rules.control, class_id) != 0;
}

constexpr int kR = BH_RIGHT_READ, kA = BH_RIGHT_APPEND, kX = BH_RIGHT_EXECUTE;
constexpr int kW = kR | BH_RIGHT_WRITE | kA;

TEST(Policy, AnEmptyTextIsTheDefault) {
    const Policy policy = compiled("");
    EXPECT_EQ(policy.rules.control, loader::kDefaultControl);
    EXPECT_TRUE(policy.rules.nodes.empty());
    EXPECT_TRUE(policy.rules.routes.empty());
}

TEST(Policy, EveryProfileCompiles) {
    for (const policy::Profile& profile : policy::profiles()) {
        const auto policy = policy::load(std::string(profile.name));
        EXPECT_TRUE(policy.has_value()) << policy.error().message();
    }
    EXPECT_EQ(BH_CONTROL_MODE(policy::load("audit")->rules.control), BH_MODE_AUDIT);
    EXPECT_EQ(policy::load("default")->rules.control, loader::kDefaultControl);
}

TEST(Policy, ClassesAreAllowedAtTheTopAndInTheirSections) {
    const Policy policy = compiled(
        "mode = \"audit\"\nallow = [\"bpf\"]\n[kernel]\nperf = \"allow\"\n"
        "[processes]\nptrace = \"refuse\"\nuser_namespaces = \"allow\"\n[mounts]\nfamily = "
        "\"allow\"\n[network]\nfamilies = [\"raw\"]\n");
    EXPECT_EQ(BH_CONTROL_MODE(policy.rules.control), BH_MODE_AUDIT);
    EXPECT_EQ(BH_CONTROL_GENERATION(policy.rules.control), 1U);
    for (const bh_class allowed : {BH_CLASS_BPF, BH_CLASS_PERF, BH_CLASS_USER_NAMESPACES,
                                   BH_CLASS_MOUNTS, BH_CLASS_RAW_SOCKETS})
        EXPECT_FALSE(refuses(policy, allowed)) << allowed;
    for (const bh_class refused : {BH_CLASS_DEBUG, BH_CLASS_FAMILIES, BH_CLASS_SYSCTL})
        EXPECT_TRUE(refuses(policy, refused)) << refused;
    const auto rule = policy.rules.policy.rule_of_class[BH_CLASS_DEBUG];
    EXPECT_EQ(policy.describe_rule(rule), "p.toml:6:10: [processes] ptrace \"refuse\"");
}

TEST(PolicyFiles, TheLongestPathDecides) {
    const Policy policy = compiled(
        "[files]\ndefault = \"read\"\nwrite = [\"/srv\"]\nappend = [\"/srv/log\"]\n"
        "refuse = [\"/srv/log/old\"]\nread = [\"/srv/log/old/here\"]\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_PATHS));
    EXPECT_FALSE(refuses(policy, BH_CLASS_EXECUTION));
    EXPECT_EQ(rights_of(policy, ""), kR | kX);
    EXPECT_EQ(rights_of(policy, "/srv"), kW | kX);
    EXPECT_EQ(rights_of(policy, "/srv/log"), kR | kA | kX);
    EXPECT_EQ(rights_of(policy, "/srv/log/old"), 0);
    EXPECT_EQ(rights_of(policy, "/srv/log/old/here"), kR | kX);
}

TEST(PolicyFiles, ADirectoryOnTheWayHasWhatItsParentHas) {
    const Policy policy = compiled("[files]\nrefuse = [\"/a/b/c\"]\n");
    EXPECT_EQ(rights_of(policy, "/a/b"), kW | kX);
    const auto& nodes = policy.rules.nodes;
    ASSERT_EQ(nodes.size(), 4U);
    EXPECT_EQ(nodes[2].flags & BH_NODE_NAMED, 0U);
    EXPECT_EQ(nodes[3].flags & BH_NODE_NAMED, BH_NODE_NAMED);
    EXPECT_EQ(policy.describe_rule(nodes[3].rule), "p.toml:2:11: [files] refuse \"/a/b/c\"");
}

TEST(PolicyFiles, ExecuteIsARightOfItsOwn) {
    const Policy policy = compiled(
        "[files]\ndefault = \"read\"\nwrite = [\"/srv\"]\nexecute = [\"/usr\", \"/srv/bin\"]\n"
        "refuse = [\"/usr/local\"]\ndrift = \"refuse\"\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_EXECUTION));
    EXPECT_TRUE(refuses(policy, BH_CLASS_DRIFT));
    EXPECT_EQ(rights_of(policy, ""), kR);
    EXPECT_EQ(rights_of(policy, "/usr"), kR | kX);
    EXPECT_EQ(rights_of(policy, "/srv"), kW);
    EXPECT_EQ(rights_of(policy, "/srv/bin"), kW | kX);
    EXPECT_EQ(rights_of(policy, "/usr/local"), 0);
}

TEST(PolicyFiles, ExecuteAloneLeavesReadingAndWriting) {
    const Policy policy = compiled("[files]\nexecute = [\"/usr\"]\n");
    EXPECT_FALSE(refuses(policy, BH_CLASS_PATHS));
    EXPECT_EQ(rights_of(policy, ""), kW);
    EXPECT_EQ(rights_of(policy, "/usr"), kW | kX);
}

TEST(PolicyNetwork, PortsThatMayBeServed) {
    const Policy policy =
        compiled("[network]\nlisten = [\"tcp/80\", \"udp/5000-5010\", \"443\"]\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_LISTEN));
    const bh_policy& row = policy.rules.policy;
    ASSERT_EQ(row.listen_count, 3U);
    EXPECT_EQ(row.listen[0].first, 80);
    EXPECT_EQ(row.listen[0].protocol, IPPROTO_TCP);
    EXPECT_EQ(row.listen[1].last, 5010);
    EXPECT_EQ(row.listen[2].protocol, 0);
    EXPECT_EQ(policy.describe_rule(row.listen[2].rule), "p.toml:2:38: [network] listen \"443\"");
}

TEST(PolicyNetwork, AnEmptyListServesNothing) {
    const Policy policy = compiled("[network]\nlisten = []\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_LISTEN));
    EXPECT_EQ(policy.describe_rule(policy.rules.policy.rule_of_class[BH_CLASS_LISTEN]),
              "p.toml:2:1: [network] listen");
}

TEST(PolicyNetwork, ShorterPrefixesAreRepeatedBehindTheOwnRules) {
    const Policy policy = compiled(
        "[network]\ndefault = \"refuse\"\nallow = [\"10.0.0.0/8:443/tcp\", "
        "\"10.1.0.0/16:22/tcp\"]\ndrop = [\"10.1.0.0/16:23\"]\n");
    const auto* row = row_of(policy, {10, 1, 0, 0}, 96 + 16);
    ASSERT_NE(row, nullptr);
    const bh_port_rule* ports = row->route.ports;
    EXPECT_EQ(ports[0].first, 22);
    EXPECT_EQ(ports[1].first, 23);
    EXPECT_EQ(ports[1].verdict, BH_VERDICT_DROP);
    EXPECT_EQ(ports[2].first, 443);
    EXPECT_EQ(ports[3].verdict, BH_VERDICT_NONE);
    const auto* all = row_of(policy, {}, 0);
    ASSERT_NE(all, nullptr);
    EXPECT_EQ(all->route.ports[0].verdict, BH_VERDICT_NONE);
}

TEST(PolicyNetwork, TheDefaultStandsLastUnlessItRefuses) {
    const Policy policy = compiled("[network]\nrefuse = [\"10.0.0.0/8:25\"]\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_EGRESS));
    const bh_port_rule* ports = row_of(policy, {10, 0, 0, 0}, 104)->route.ports;
    EXPECT_EQ(ports[0].verdict, BH_VERDICT_REFUSE);
    EXPECT_EQ(ports[1].verdict, BH_VERDICT_ALLOW);
    EXPECT_EQ(ports[1].last, 65535);
}

TEST(PolicyNetwork, AllOfIpv6IsNotIpv4) {
    const Policy policy = compiled(
        "[network]\ndefault = \"refuse\"\nallow = [\"::/0\", \"[2001:db8::]/32:80-90\"]\n"
        "refuse = [\"2001:db8::/32\"]\n");
    EXPECT_EQ(row_of(policy, {}, 0)->route.ports[0].verdict, BH_VERDICT_ALLOW);
    EXPECT_EQ(row_of(policy, {0, 0, 0, 0}, 96)->route.ports[0].verdict, BH_VERDICT_NONE);
    const auto& routes = policy.rules.routes;
    const auto site = std::find_if(routes.begin(), routes.end(),
                                   [](const auto& row) { return row.prefix_bits == 32; });
    ASSERT_NE(site, routes.end());
    EXPECT_EQ(site->route.ports[0].last, 90);
    EXPECT_EQ(site->route.ports[1].verdict, BH_VERDICT_REFUSE);
}

TEST(PolicyNetwork, TheUnspecifiedAddressIsTheLoopback) {
    const Policy policy = compiled("[network]\nrefuse = [\"127.0.0.1\"]\n");
    const auto* row = row_of(policy, {255, 255, 0, 0, 0, 0}, 128);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->route.ports[0].verdict, BH_VERDICT_REFUSE);
}

TEST(PolicyNetwork, AResolverIsAskedByUdpAndTcp) {
    const Policy policy = compiled("[network]\ndefault = \"refuse\"\nresolver = \"10.0.0.53\"\n");
    const bh_port_rule* ports = row_of(policy, {10, 0, 0, 53}, 128)->route.ports;
    EXPECT_EQ(ports[0].first, 53);
    EXPECT_EQ(ports[0].protocol + ports[1].protocol, IPPROTO_TCP + IPPROTO_UDP);
}

TEST(PolicyCapabilities, KeepIsAMask) {
    const Policy policy = compiled("[capabilities]\nkeep = [\"CAP_CHOWN\", \"net_raw\"]\n");
    EXPECT_TRUE(refuses(policy, BH_CLASS_DROPPED_CAPABILITIES));
    EXPECT_EQ(policy.rules.policy.capabilities, 1ULL << 0 | 1ULL << 13);
    EXPECT_EQ(*policy::capability_number("cap_checkpoint_restore"), 40U);
}

TEST(PolicyModes, ASectionMayOnlyRecord) {
    const Policy policy =
        compiled("[network]\nmode = \"audit\"\nlisten = []\n[files]\ndefault = \"read\"\n");
    const std::uint64_t audited = policy.rules.policy.audited;
    EXPECT_NE(audited >> BH_CLASS_LISTEN & 1, 0U);
    EXPECT_NE(audited >> BH_CLASS_FAMILIES & 1, 0U);
    EXPECT_EQ(audited >> BH_CLASS_EGRESS & 1, 0U);
    EXPECT_EQ(audited >> BH_CLASS_PATHS & 1, 0U);
}

TEST(PolicyExtends, TheOwnTextDecidesOverTheProfile) {
    const Policy policy = compiled(
        "extends = \"minimal\"\nallow = [\"listen\"]\n[files]\nwrite = [\"/srv\"]\nrefuse = "
        "[\"/tmp\"]\n[network]\nallow = [\"10.0.0.0/8:443/tcp\"]\n[processes]\nptrace = "
        "\"allow\"\n[capabilities]\nkeep = [\"chown\"]\n");
    EXPECT_EQ(rights_of(policy, "/srv"), kW);
    EXPECT_EQ(rights_of(policy, "/tmp"), 0);
    EXPECT_EQ(rights_of(policy, "/usr"), kR | kX);
    EXPECT_FALSE(refuses(policy, BH_CLASS_LISTEN));
    EXPECT_FALSE(refuses(policy, BH_CLASS_DEBUG));
    EXPECT_TRUE(refuses(policy, BH_CLASS_SETUID));
    EXPECT_EQ(policy.rules.policy.capabilities, 1U);
    EXPECT_NE(row_of(policy, {127, 0, 0, 0}, 104), nullptr);
    EXPECT_NE(row_of(policy, {10, 0, 0, 0}, 104), nullptr);
    EXPECT_EQ(policy.sources.size(), 2U);
}

TEST(Policy, TenThousandRulesCompile) {
    std::string text = "[files]\ndefault = \"refuse\"\nread = [\n";
    for (int i = 0; i < 10'000; ++i)
        text += "\"/srv/" + std::to_string(i) + "\",\n";
    const Policy policy = compiled(text + "]\n");
    EXPECT_EQ(policy.rules.nodes.size(), 10'002U);
}

}  // namespace
}  // namespace bulkhead::tests
