// What went by rules, as it is shown.
#include "runtime/rule_usage.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/json_print.h"

namespace bulkhead::runtime {
namespace {

NetworkUsage usage() {
    return {.generation = 3,
            .rules = {{.rule = 4,
                       .text = "web.toml:3:9: [network] allow \"10.0.0.0/8\"",
                       .sent_bytes = 1056,
                       .sent_packets = 2,
                       .connects = 1},
                      {.text = "answers on accepted connections, where no rule allows",
                       .refused = 5,
                       .audited = 6,
                       .dropped_packets = 7}}};
}

TEST(RuleUsage, JsonHasUnitsAndTheRulesText) {
    const auto json = to_json(usage());
    EXPECT_EQ(json["generation"], 3);
    const auto& first = json["rules"][0];
    EXPECT_EQ(first["rule"], "web.toml:3:9: [network] allow \"10.0.0.0/8\"");
    EXPECT_EQ(first["number"], 4);
    EXPECT_EQ(first["sent_bytes"], 1056);
    EXPECT_EQ(first["sent_packets"], 2);
    EXPECT_EQ(first["connects"], 1);
    EXPECT_EQ(json["rules"][1]["refused"], 5);
    EXPECT_EQ(json["rules"][1]["audited"], 6);
    EXPECT_EQ(json["rules"][1]["dropped_packets"], 7);
}

TEST(RuleUsage, TextHasALineForEachRule) {
    const std::string text = to_text(usage());
    EXPECT_NE(text.find("          1056          2         1         0         0         0  "
                        "web.toml:3:9: [network] allow \"10.0.0.0/8\"\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(to_text(NetworkUsage{}), "the policy has no rules on addresses\n");
}

}  // namespace
}  // namespace bulkhead::runtime
