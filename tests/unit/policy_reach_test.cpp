// [network] with names of environments: the rows that they become, and what people are told.
#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <vector>

#include "loader/rule_use.h"
#include "runtime/policy/decide.h"
#include "runtime/policy/diff.h"
#include "runtime/policy/show.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

using policy::Policy;

std::vector<bh_port_rule> ports_of(const Policy& policy, const std::string& name) {
    std::vector<bh_port_rule> used;
    if (const loader::PeerRow* row = policy::reached_peer(policy.rules, name))
        std::copy_if(row->ports.begin(), row->ports.end(), std::back_inserter(used),
                     [](const bh_port_rule& one) { return one.verdict != BH_VERDICT_NONE; });
    return used;
}

bool has_names(const Policy& policy) {
    return (policy.rules.policy.flags & BH_POLICY_NAMES) != 0;
}

// The second text goes on where the first ends.
Policy extended(const std::string& first, const std::string& second) {
    auto policy = policy::compile({{"a.toml", first}, {"b.toml", second}});
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return policy ? std::move(*policy) : Policy{};
}

constexpr const char* kText = R"([network]
default = "refuse"
allow = ["environment:db:5432/tcp", "environment:cache", "127.0.0.1"]
refuse = ["environment:cache:22"]
[ipc]
connect = ["db"]
)";

TEST(PolicyReach, ARowForEachNameWithItsPorts) {
    const Policy policy = compiled(kText);
    EXPECT_TRUE(has_names(policy));
    EXPECT_EQ(policy.rules.demand_flags(), __u32{BH_ENV_NAMES});
    ASSERT_EQ(policy.rules.peers.size(), 2U) << "one with what [ipc] says of it";
    const auto db = ports_of(policy, "db");
    ASSERT_EQ(db.size(), 1U);
    EXPECT_EQ(db[0].first, 5432);
    EXPECT_EQ(db[0].last, 5432);
    EXPECT_EQ(db[0].protocol, IPPROTO_TCP);
    EXPECT_EQ(db[0].verdict, BH_VERDICT_ALLOW);
    EXPECT_EQ(policy.describe_rule(db[0].rule),
              "p.toml:3:10: [network] allow \"environment:db:5432/tcp\"");
    const auto cache = ports_of(policy, "cache");
    ASSERT_EQ(cache.size(), 2U);
    EXPECT_EQ(cache[0].verdict, BH_VERDICT_REFUSE) << "few ports before many";
    EXPECT_EQ(cache[0].first, 22);
    EXPECT_EQ(cache[1].verdict, BH_VERDICT_ALLOW);
    const auto counted = loader::counted_rules(policy.rules);
    for (const auto& entry : {db[0], cache[0], cache[1]})
        EXPECT_EQ(std::count(counted.begin(), counted.end(), entry.rule), 1) << entry.rule;
}

TEST(PolicyReach, ANameAloneAsksAboutAddresses) {
    const Policy policy = compiled("[network]\nrefuse = [\"environment:db\"]\n");
    EXPECT_TRUE(BH_CONTROL_REFUSES(policy.rules.control, BH_CLASS_EGRESS));
    EXPECT_FALSE(policy.rules.routes.empty()) << "all addresses are allowed by rows";
    EXPECT_EQ(ports_of(policy, "db").size(), 1U);
    EXPECT_TRUE(policy::decide_target(policy, *policy::parse_target("10.0.0.1").value).allowed);
}

TEST(PolicyReach, ALaterTextSaysItAnew) {
    const Policy policy =
        extended("[network]\ndefault = \"refuse\"\nallow = [\"environment:db\"]\n",
                 "[network]\nrefuse = [\"environment:db\"]\n");
    const auto db = ports_of(policy, "db");
    ASSERT_EQ(db.size(), 1U);
    EXPECT_EQ(db[0].verdict, BH_VERDICT_REFUSE);
}

TEST(PolicyReach, IsNotAskedWhereAddressesAreNot) {
    const Policy allowed =
        extended("[network]\nrefuse = [\"environment:db\"]\n[ipc]\nsignal = [\"db\"]\n",
                 "allow = [\"egress\"]\n");
    EXPECT_FALSE(has_names(allowed));
    EXPECT_TRUE(ports_of(allowed, "db").empty());
    EXPECT_EQ(allowed.rules.peers.size(), 1U) << "[ipc] stays";
    const Policy learning =
        compiled("[network]\nmode = \"learn\"\nrefuse = [\"environment:db\"]\n");
    EXPECT_FALSE(has_names(learning));
    EXPECT_TRUE(learning.rules.peers.empty());
}

std::string explained(const Policy& policy, const std::string& object) {
    const auto decision = policy::decide_act(policy, "connect", object);
    return decision ? policy::describe(policy, *decision) : decision.error().message();
}

TEST(PolicyReach, IsExplainedByName) {
    const Policy policy = compiled(kText);
    EXPECT_EQ(explained(policy, "environment:db:5432/tcp"),
              "allowed by p.toml:3:10: [network] allow \"environment:db:5432/tcp\", where both "
              "share a network namespace");
    EXPECT_EQ(explained(policy, "environment:cache:22"),
              "refused by p.toml:4:11: [network] refuse \"environment:cache:22\", where both share "
              "a network namespace");
    EXPECT_EQ(explained(policy, "environment:web:80"),
              "allowed by p.toml:3:58: [network] allow \"127.0.0.1\"")
        << "not named: as its loopback address";
    EXPECT_EQ(explained(policy, "10.0.0.1"),
              "refused by p.toml:2:11: [network] default \"refuse\"");
    EXPECT_NE(explained(policy, "environment:../web").find("is no environment's name"),
              std::string::npos);
}

TEST(PolicyReach, IsComparedByName) {
    const auto differences = policy::compare(
        compiled("[network]\ndefault = \"refuse\"\n"),
        compiled("[network]\ndefault = \"refuse\"\nallow = [\"environment:db:5432/tcp\"]\n"));
    EXPECT_TRUE(differences.first_only.empty());
    ASSERT_EQ(differences.second_only.size(), 1U);
    EXPECT_EQ(differences.second_only[0].act, "connect environment:db:5432/tcp");
    EXPECT_EQ(differences.second_only[0].by_second,
              "p.toml:3:10: [network] allow \"environment:db:5432/tcp\"");
    EXPECT_EQ(differences.second_only[0].by_first, "p.toml:2:11: [network] default \"refuse\"");
}

TEST(PolicyReach, IsShownAsItIsWritten) {
    const Policy policy = compiled(kText);
    const std::string text = policy::effective_text(policy);
    EXPECT_NE(text.find("\"environment:db:5432/tcp\""), std::string::npos) << text;
    EXPECT_TRUE(policy::compare(policy, compiled(text)).empty()) << text;
}

}  // namespace
}  // namespace bulkhead::tests
