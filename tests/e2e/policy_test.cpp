// Policies with rules on environments that run: enforced, explained by file and line, changed live.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kOnlySelf = R"([network]
default = "refuse"
allow = ["127.0.0.1"]
listen = ["tcp/7401"]
)";
constexpr const char* kOnlyOther = R"(description = "the other way round"

[network]
default = "refuse"
allow = ["127.0.0.2"]
listen = ["tcp/7402"]
)";

// Whether a datagram to `address` may leave; nobody need be there.
bool reaches(const std::string& name, const std::string& address) {
    return exec(name, "echo x > /dev/udp/" + address + "/7400").exit_code == 0;
}

bool serves(const std::string& name, int port) {
    return exec(name,
                "timeout 0.5 busybox nc -l -p " + std::to_string(port) + " 127.0.0.1 </dev/null")
               .err.find("not permitted") == std::string::npos;
}

nlohmann::json last_refusal_of(const std::string& name, const std::string& rule) {
    nlohmann::json last;
    for (const auto& row : bulkhead_json({"why", name}))
        if (row.at("rule") == rule)
            last = row;
    return last;
}

TEST(Policy, OfAddressesAndPortsIsEnforcedAndExplained) {
    const NothingLeft nothing_left;
    const PolicyFile file("self", kOnlySelf);
    const Detached web("web", {"sleep", "600"}, {"--policy", file.path()});
    EXPECT_TRUE(reaches("web", "127.0.0.1"));
    EXPECT_FALSE(reaches("web", "127.0.0.2"));
    const auto reached = last_refusal_of("web", "egress");
    ASSERT_FALSE(reached.is_null());
    EXPECT_EQ(reached.at("hook"), "socket_connect");
    EXPECT_EQ(reached.at("errno"), "EPERM");
    EXPECT_EQ(reached.at("generation"), 1);
    EXPECT_NE(reached.dump().find("/tmp/self.toml"), std::string::npos) << reached.dump(2);
    const Outcome why = bulkhead({"why", "web"});
    EXPECT_NE(why.out.find("/tmp/self.toml:2:11: [network] default \"refuse\""), std::string::npos)
        << why.out;
    EXPECT_TRUE(serves("web", 7401));
    EXPECT_FALSE(serves("web", 7402));
    EXPECT_NE(bulkhead({"why", "web"}).out.find("/tmp/self.toml:4:1: [network] listen"),
              std::string::npos);
}

TEST(Policy, AppliedLiveDecidesFromThenOn) {
    const NothingLeft nothing_left;
    const PolicyFile first("self", kOnlySelf), second("other", kOnlyOther);
    const Detached web("web", {"sleep", "600"}, {"--policy", first.path()});
    EXPECT_FALSE(reaches("web", "127.0.0.2"));
    const auto applied = bulkhead_json({"policy", "apply", "web", second.path()});
    EXPECT_EQ(applied.at("outcome"), "applied");
    EXPECT_EQ(applied.at("generation"), 2);
    EXPECT_EQ(bulkhead_json({"status", "web"}).at("policy"), second.path());
    EXPECT_TRUE(reaches("web", "127.0.0.2"));
    EXPECT_FALSE(reaches("web", "127.0.0.1"));
    EXPECT_TRUE(serves("web", 7402));
    EXPECT_FALSE(serves("web", 7401));
    EXPECT_EQ(last_refusal_of("web", "egress").at("generation"), 2);
    // Each refusal by the text that decided it.
    const std::string why = bulkhead({"why", "web"}).out;
    EXPECT_NE(why.find("/tmp/self.toml:2:11"), std::string::npos) << why;
    EXPECT_NE(why.find("/tmp/other.toml:4:11"), std::string::npos) << why;
    EXPECT_NE(bulkhead({"policy", "show", "environment:web"}).out.find("127.0.0.2"),
              std::string::npos);
    EXPECT_EQ(bulkhead({"policy", "apply", "web", "default"}).exit_code, 0);
    EXPECT_TRUE(reaches("web", "127.0.0.1"));
    EXPECT_TRUE(reaches("web", "127.0.0.2"));
}

TEST(Policy, AppliedLiveHoldsForSocketsThatAreConnected) {
    const NothingLeft nothing_left;
    const PolicyFile first("self", kOnlySelf), second("other", kOnlyOther);
    const Detached web("web",
                       {"bash", "-c",
                        "exec 3>/dev/udp/127.0.0.1/7400; "
                        "until { echo x >&3; } 2>&1 | grep -q permitted; do sleep 0.1; done; "
                        "touch /tmp/refused; sleep 600"},
                       {"--policy", first.path()});
    EXPECT_NE(exec("web", "sleep 1; test -e /tmp/refused").exit_code, 0);
    EXPECT_EQ(bulkhead({"policy", "apply", "web", second.path()}).exit_code, 0);
    EXPECT_TRUE(eventually([] { return exec("web", "test -e /tmp/refused").exit_code == 0; }));
    EXPECT_EQ(last_refusal_of("web", "egress").at("hook"), "socket_sendmsg");
}

TEST(Policy, SetChangesAClassAndKeepsTheRules) {
    const NothingLeft nothing_left;
    const PolicyFile file("self", kOnlySelf);
    const Detached web("web", {"sleep", "600"}, {"--policy", file.path()});
    EXPECT_EQ(bulkhead({"set", "web", "--allow", "listen"}).exit_code, 0);
    EXPECT_TRUE(serves("web", 7402));
    EXPECT_FALSE(reaches("web", "127.0.0.2"));
    EXPECT_EQ(bulkhead({"set", "web", "--mode", "audit"}).exit_code, 0);
    EXPECT_TRUE(reaches("web", "127.0.0.2"));
    EXPECT_EQ(bulkhead({"set", "web", "--mode", "enforce", "--refuse", "listen"}).exit_code, 0);
    EXPECT_TRUE(serves("web", 7401));
    EXPECT_FALSE(serves("web", 7402));
    EXPECT_TRUE(reaches("web", "127.0.0.1"));
    EXPECT_EQ(bulkhead_json({"status", "web"}).at("generation"), 1);
}

TEST(Policy, ThatIsWrongLeavesTheOldOne) {
    const NothingLeft nothing_left;
    const PolicyFile first("self", kOnlySelf), wrong("wrong", "[network]\nalow = []\n");
    const Detached web("web", {"sleep", "600"}, {"--policy", first.path()});
    expect_refused(bulkhead({"policy", "apply", "web", wrong.path()}),
                   {2, {"/tmp/wrong.toml:2:1", "allow"}});
    expect_refused(bulkhead({"policy", "apply", "nobody", first.path()}),
                   {1, {"no environment is named nobody"}});
    EXPECT_FALSE(reaches("web", "127.0.0.2"));
    EXPECT_EQ(bulkhead_json({"status", "web"}).at("generation"), 1);
}

// What a build does: it writes a program and runs it, and serves nobody below 1024.
TEST(Policy, ProfileOfABuildKeepsItsPromises) {
    const NothingLeft nothing_left;
    const Detached job("job", {"sleep", "600"}, {"--policy", "ci-job"});
    EXPECT_EQ(exec("job",
                   "printf '#!/bin/sh\\necho made\\n' > /tmp/made && chmod +x /tmp/made && "
                   "/tmp/made && chown 1:1 /tmp/made")
                  .out,
              "made\n");
    EXPECT_TRUE(serves("job", 8000));
    EXPECT_FALSE(serves("job", 80));
    EXPECT_FALSE(reaches("job", "169.254.169.254"));
    EXPECT_NE(exec("job", "nice -n -5 true; test $(nice -n -5 nice) = -5").exit_code, 0);
    EXPECT_NE(exec("job", "setarch -R true").exit_code, 0);
    EXPECT_NE(exec("job", "ip link add name dummy0 type dummy").exit_code, 0);
    const std::string why = bulkhead({"why", "job"}).out;
    for (const char* by :
         {"[network] listen", "[network] refuse \"169.254.0.0/16\"", "[processes] personality"})
        EXPECT_NE(why.find(by), std::string::npos) << by << "\n" << why;
}

}  // namespace
}  // namespace bulkhead::tests
