// What went by each rule of [network], as `usage` shows it.
#include <string>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kFirst = R"([network]
default = "refuse"
allow = ["127.0.0.1:7400/udp", "::1"]
drop = ["127.0.0.3"]
)";
constexpr const char* kSecond = R"(description = "the other way round"

[network]
default = "refuse"
allow = ["127.0.0.2"]
)";

constexpr int kDatagramBytes = 2 + 8 + 20;

// Two bytes each, from a shell; nobody need be there. How it ended is the tests' matter.
int send(const std::string& name, const std::string& address, int count) {
    return exec(name, "exec 3>/dev/udp/" + address + "/7400 || exit 1; for i in $(seq " +
                          std::to_string(count) + "); do echo x >&3; done; exit 0")
        .exit_code;
}

nlohmann::json row_of(const nlohmann::json& usage, const std::string& text) {
    for (const auto& row : usage.at("rules"))
        if (row.at("rule").get<std::string>().find(text) != std::string::npos)
            return row;
    ADD_FAILURE() << "no row of " << text << " in " << usage.dump(2);
    return {};
}

nlohmann::json rules_of(const std::string& name) {
    return bulkhead_json({"usage", name, "--rules"});
}

TEST(Usage, OfRulesIsByTheirTextToThePacket) {
    const NothingLeft nothing_left;
    const PolicyFile file("first", kFirst);
    const Detached web("web", {"sleep", "600"}, {"--policy", file.path()});
    EXPECT_EQ(send("web", "127.0.0.1", 1), 0);
    EXPECT_NE(send("web", "127.0.0.2", 1), 0);
    EXPECT_NE(send("web", "127.0.0.2", 1), 0);
    const auto rules = rules_of("web");
    EXPECT_EQ(rules.at("generation"), 1);
    const auto allowed = row_of(rules, "/tmp/first.toml:3:10: [network] allow");
    EXPECT_EQ(allowed.at("sent_packets"), 1);
    EXPECT_EQ(allowed.at("sent_bytes"), kDatagramBytes);
    EXPECT_EQ(allowed.at("refused"), 0);
    const auto refused = row_of(rules, "/tmp/first.toml:2:11: [network] default \"refuse\"");
    EXPECT_EQ(refused.at("refused"), 2);
    EXPECT_EQ(refused.at("sent_packets"), 0);
    const auto usage = bulkhead_json({"usage", "web"}).at("network");
    EXPECT_EQ(usage.at("policy"), rules);
    EXPECT_EQ(usage.at("refused_ipv4"), 2);
    EXPECT_EQ(usage.at("refused_ipv6"), 0);
    EXPECT_GE(usage.at("ipv4").at("sent_bytes"), kDatagramBytes);
    EXPECT_EQ(usage.at("ipv6").at("sent_bytes"), 0);
    EXPECT_EQ(usage.at("sent_bytes"), usage.at("ipv4").at("sent_bytes"));
    const Outcome text = bulkhead({"usage", "web", "--rules"});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_NE(text.out.find("/tmp/first.toml:3:10: [network] allow"), std::string::npos)
        << text.out;
}

// A number means another rule then: what was counted by the last policy is not shown as the next's.
TEST(Usage, OfRulesBeginsWithThePolicyAndOutlivesSet) {
    const NothingLeft nothing_left;
    const PolicyFile first("first", kFirst), second("second", kSecond);
    const Detached web("web", {"sleep", "600"}, {"--policy", first.path()});
    EXPECT_EQ(send("web", "127.0.0.1", 1), 0);
    ASSERT_EQ(bulkhead({"set", "web", "--refuse", "debug"}).exit_code, 0);
    EXPECT_EQ(row_of(rules_of("web"), "[network] allow").at("sent_packets"), 1);
    ASSERT_EQ(bulkhead_json({"policy", "apply", "web", second.path()}).at("outcome"), "applied");
    const auto fresh = rules_of("web");
    EXPECT_EQ(fresh.at("generation"), 2);
    EXPECT_EQ(row_of(fresh, "/tmp/second.toml:5:10: [network] allow").at("sent_packets"), 0);
    EXPECT_EQ(fresh.dump().find("/tmp/first.toml"), std::string::npos);
    EXPECT_NE(send("web", "127.0.0.1", 1), 0);
    EXPECT_EQ(send("web", "127.0.0.2", 1), 0);
    const auto rules = rules_of("web");
    EXPECT_EQ(row_of(rules, "[network] allow").at("sent_packets"), 1);
    EXPECT_EQ(row_of(rules, "[network] default").at("refused"), 1);
    // The sums of all policies go on.
    EXPECT_EQ(bulkhead_json({"usage", "web"}).at("network").at("refused_ipv4"), 1);
}

TEST(Usage, OfRulesIsOfOneEnvironmentThatHasSome) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const Outcome none = bulkhead({"usage", "web", "--rules"});
    EXPECT_EQ(none.exit_code, 0) << none.err;
    EXPECT_EQ(none.out, "the policy has no rules on addresses\n");
    EXPECT_FALSE(bulkhead_json({"usage", "web"}).at("network").contains("policy"));
    const Outcome wrong = bulkhead({"usage", "--rules"});
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_NE(wrong.err.find("bulkhead usage NAME --rules"), std::string::npos) << wrong.err;
    EXPECT_EQ(bulkhead({"usage", "nobody", "--rules"}).exit_code, 1);
}

}  // namespace
}  // namespace bulkhead::tests
