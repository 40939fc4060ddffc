// What the modes make of a policy's rules.
#include <gmock/gmock.h>

#include "runtime/policy/decide.h"
#include "runtime/policy/diff.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

constexpr std::uint64_t bit(unsigned class_id) {
    return 1ULL << class_id;
}

TEST(PolicyModes, LearningRefusesAllAndGivesNothing) {
    const auto policy = compiled(
        "mode = \"learn\"\n[files]\ndefault = \"refuse\"\nread = [\"/etc\"]\nwrite = "
        "[\"/tmp\"]\n[network]\nlisten = "
        "[\"tcp/80\"]\nallow = [\"10.0.0.1\"]\ndefault = \"refuse\"\n[capabilities]\nkeep = "
        "[\"chown\"]\n");
    const loader::Rules& rules = policy.rules;
    EXPECT_EQ(BH_CONTROL_MODE(rules.control), BH_MODE_LEARN);
    ASSERT_EQ(rules.nodes.size(), 1U);
    EXPECT_EQ(rules.nodes[0].rights, 0U);
    EXPECT_EQ(rules.policy.listen_count, 0U);
    EXPECT_EQ(rules.policy.capabilities, 0U);
    for (const loader::RouteRow& row : rules.routes)
        EXPECT_EQ(row.route.ports[0].verdict, BH_VERDICT_NONE);
    EXPECT_TRUE(rules.has_rows());
}

TEST(PolicyModes, WhatKeepsBulkheadStandingIsNotLearned) {
    const loader::Rules rules = compiled("mode = \"learn\"\n").rules;
    for (const unsigned id : {BH_CLASS_IDENTITY, BH_CLASS_SELF}) {
        EXPECT_EQ(rules.policy.learned & bit(id), 0U);
        EXPECT_TRUE(BH_CONTROL_REFUSES(rules.control, id));
    }
    EXPECT_EQ(rules.policy.learned & bit(BH_CLASS_BEANCOUNTERS), 0U);
    EXPECT_NE(rules.policy.learned & bit(BH_CLASS_PATHS), 0U);
    EXPECT_NE(rules.policy.learned & bit(BH_CLASS_MOUNTS), 0U);
}

TEST(PolicyModes, ASectionLearnsAndTheOthersEnforce) {
    const auto policy = compiled(
        "[network]\nmode = \"learn\"\n[files]\ndefault = \"read\"\n[processes]\nmode = "
        "\"audit\"\n");
    const loader::Rules& rules = policy.rules;
    EXPECT_EQ(BH_CONTROL_MODE(rules.control), BH_MODE_ENFORCE);
    EXPECT_EQ(rules.policy.learned, bit(BH_CLASS_EGRESS) | bit(BH_CLASS_LISTEN) |
                                        bit(BH_CLASS_FAMILIES) | bit(BH_CLASS_RAW_SOCKETS));
    EXPECT_EQ(rules.policy.audited, bit(BH_CLASS_USER_NAMESPACES));
    EXPECT_EQ(rules.nodes[0].rights, BH_RIGHT_READ | BH_RIGHT_EXECUTE);
}

TEST(PolicyModes, ThePolicyOrItsSectionsLearn) {
    EXPECT_THAT(mistakes_of("mode = \"learn\"\n[files]\nmode = \"audit\"\n"),
                testing::HasSubstr("p.toml:3:8: a section cannot audit while the policy learns"));
    EXPECT_EQ(mistakes_of("mode = \"learn\"\n[files]\nmode = \"learn\"\n"), "");
    EXPECT_EQ(mistakes_of("mode = \"audit\"\n[files]\nmode = \"learn\"\n"), "");
}

// As `bulkhead set --mode` publishes a policy once more.
TEST(PolicyModes, ALaterWordOnTheWholeHoldsForItsSections) {
    const auto learning =
        policy::compile({{"p.toml", "[files]\nmode = \"audit\"\ndefault = \"read\"\n"},
                         {"set", "mode = \"learn\""}});
    ASSERT_TRUE(learning.has_value()) << learning.error().message();
    EXPECT_EQ(learning->rules.policy.audited, 0U);
    EXPECT_NE(learning->rules.policy.learned & bit(BH_CLASS_PATHS), 0U);
    const auto enforcing =
        policy::compile({{"p.toml", "mode = \"learn\"\n[network]\nlisten = [\"tcp/80\"]\n"},
                         {"set", "mode = \"enforce\""}});
    ASSERT_TRUE(enforcing.has_value()) << enforcing.error().message();
    EXPECT_EQ(enforcing->rules.policy.learned, 0U);
    EXPECT_EQ(enforcing->rules.policy.listen_count, 1U);
}

TEST(PolicyModes, AreExplainedAndCompared) {
    const auto learning = compiled("[network]\nmode = \"learn\"\n");
    EXPECT_EQ(policy::describe(learning, *policy::decide_act(learning, "listen", "tcp/80")),
              "allowed, and learned: p.toml:2:8: [network] mode \"learn\"");
    EXPECT_THAT(policy::compare(compiled(""), learning).modes,
                testing::Contains("class egress: enforce, learn"));
    EXPECT_THAT(policy::compare(compiled(""), compiled("mode = \"learn\"\n")).modes,
                testing::ElementsAre("mode: enforce, learn"));
}

TEST(PolicyModes, LearningAsksNoListOfTheSection) {
    const auto rules = compiled(
                           "[files]\nrefuse = [\"/x\"]\nrevoke = \"open-files\"\nmode = "
                           "\"learn\"\n[kernel]\nsysctl = [\"net.*\"]\nioctl = []\nmode = "
                           "\"learn\"\n")
                           .rules;
    EXPECT_TRUE(rules.sysctls.empty());
    EXPECT_EQ(rules.policy.flags, 0U);
    EXPECT_EQ(rules.demand_flags(), 0U);
    EXPECT_NE(rules.policy.learned >> BH_CLASS_SYSCTL & 1, 0U);
}

TEST(PolicyModes, AuditOfTheSectionIsAlsoOfItsListOfDevices) {
    const auto rules = compiled("[kernel]\nioctl = []\nmode = \"audit\"\n").rules;
    EXPECT_EQ(rules.policy.flags, BH_POLICY_IOCTLS | BH_POLICY_IOCTLS_AUDITED);
    EXPECT_EQ(rules.policy.audited >> BH_CLASS_DEVICES & 1, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
