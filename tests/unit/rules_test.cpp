#include "loader/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "loader/rule_use.h"
#include "runtime/policy/policy.h"

namespace bulkhead::loader {
namespace {

Rules rules_of(const std::string& text) {
    auto sources = policy::resolve({"test.toml", text});
    auto policy = policy::compile(std::move(*sources));
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return policy ? std::move(policy->rules) : Rules{};
}

TEST(Rules, OfClassesAloneHaveNoRows) {
    EXPECT_FALSE(Rules{}.has_rows());
    EXPECT_FALSE(rules_of("mode = \"audit\"\nallow = [\"bpf\"]\n").has_rows());
    EXPECT_FALSE(rules_of("[processes]\nptrace = \"refuse\"\n").has_rows());
    // That nothing is served needs no list.
    EXPECT_FALSE(rules_of("[network]\nlisten = []\n").has_rows());
}

TEST(Rules, ThatAHookReadsHaveRows) {
    for (const char* text : {"[network]\ndefault = \"refuse\"\n", "[network]\nlisten = [\"80\"]\n",
                             "[files]\nread = [\"/etc\"]\n", "[files]\ndrift = \"refuse\"\n",
                             "[capabilities]\nkeep = []\n", "[ipc]\nsignal = [\"a\"]\n",
                             "[kernel]\nmode = \"audit\"\n"})
        EXPECT_TRUE(rules_of(text).has_rows()) << text;
}

TEST(Rules, OfAddressesHaveRowsForAllAndForTheUnspecified) {
    const Rules rules = rules_of("[network]\ndefault = \"refuse\"\nallow = [\"10.0.0.0/8\"]\n");
    for (const __u32 bits : {0U, 128U}) {
        const auto is_wanted = [&](const RouteRow& one) {
            return one.prefix_bits == bits &&
                   std::all_of(std::begin(one.address), std::end(one.address),
                               [](__u8 byte) { return byte == 0; });
        };
        EXPECT_EQ(std::count_if(rules.routes.begin(), rules.routes.end(), is_wanted), 1) << bits;
    }
}

TEST(Rules, OfAddressesAreCountedEach) {
    const std::string text =
        "[network]\ndefault = \"refuse\"\nresolver = \"192.0.2.53\"\nallow = "
        "[\"10.0.0.0/8\"]\nrefuse = ["
        "\"10.1.0.0/16:443/tcp\"]\nlisten = [\"80\"]\n";
    const Rules rules = rules_of(text);
    const std::vector<__u32> counted = counted_rules(rules);
    // The default, the resolver and two entries, beside what no rule says and answers.
    ASSERT_EQ(counted.size(), 6U);
    EXPECT_EQ(counted.front(), 0U) << "by it the others are found";
    EXPECT_EQ(counted.back(), BH_RULE_ANSWERS);
    EXPECT_TRUE(std::find(counted.begin(), counted.end(),
                          rules.policy.rule_of_class[BH_CLASS_EGRESS]) != counted.end());
    EXPECT_TRUE(counted_rules(rules_of("[network]\nlisten = [\"80\"]\n")).empty());
}

TEST(Rules, OfManyAddressesAreCountedTogetherPastABound) {
    std::string list;
    for (int i = 0; i < 300; ++i)
        list += "\"10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200) + "\", ";
    const std::vector<__u32> counted =
        counted_rules(rules_of("[network]\ndefault = \"refuse\"\nallow = [" + list + "]\n"));
    ASSERT_EQ(counted.size(), BH_MAX_COUNTED_RULES + 2U);
    EXPECT_EQ(counted[BH_MAX_COUNTED_RULES], BH_RULE_OTHERS);
    EXPECT_TRUE(std::is_sorted(counted.begin(), counted.end())) << "lowest first";
}

}  // namespace
}  // namespace bulkhead::loader
