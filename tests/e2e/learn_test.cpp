// Learning: the policy that a run wrote lets the same run pass without a refusal, and refuses what
// it did not do; how it begins and ends, and what it says of itself.
#include <algorithm>

#include "tests/e2e/learning.h"
#include "tests/e2e/policy_file.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

TEST(Learn, WritesThePolicyOfAPythonProgram) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    learn(policy.path(), app({"work"}));
    expect_passes(policy.path(), app({"work"}));
    EXPECT_LT(std::ranges::count(policy.text(), '\n'), 80) << policy.text();
}

TEST(Learn, RefusesWhatThePythonProgramDidNotDo) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    learn(policy.path(), app({"work"}));
    const Detached box("app", app({"wait"}), {"--policy", policy.path()});
    expect_refused_acts("app", "/etc/shadow", acts_outside("/etc/shadow"));
    EXPECT_EQ(bulkhead(joined({"exec", "app", "--"}, app({"work"}))).exit_code, 0);
}

TEST(Learn, WritesThePolicyOfABuild) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Arguments build = {
        "bash", "-c",
        "set -e; mkdir -p /tmp/src /usr/local/lib/made; cp -r /etc/apt /etc/pam.d /tmp/src; "
        "cd /tmp; tar cf src.tar src; xz -k src.tar; xz -t src.tar.xz; "
        "printf '#!/bin/sh\\necho built\\n' > tool; chmod 755 tool; mv tool /usr/local/bin/; "
        "test \"$(tool)\" = built; mv src src-1; rm -r src-1 src.tar; ls / >/dev/null"};
    learn(policy.path(), build);
    expect_passes(policy.path(), build);
}

TEST(Learn, BeginsAndEndsWhileAnEnvironmentRuns) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "600"});
    expect_refused(bulkhead({"policy", "learn", "box"}), {1, {"box has learned nothing"}});
    expect_refused(bulkhead({"set", "box", "--mode", "learn", "--allow", "bpf"}), {2, {"alone"}});
    ASSERT_EQ(bulkhead({"set", "box", "--mode", "learn"}).exit_code, 0);
    EXPECT_EQ(bulkhead_json({"status", "box"}).at("mode"), "learn");
    EXPECT_EQ(exec("box", "echo x > /srv/made && cat /etc/hostname").exit_code, 0);
    const auto status = bulkhead_json({"status", "box"});
    EXPECT_GT(status.at("learned"), 3);
    EXPECT_EQ(status.at("unlearned"), 0);
    EXPECT_EQ(status.at("refused"), 0);
    EXPECT_EQ(status.at("audited"), 0);
    ASSERT_EQ(bulkhead({"set", "box", "--mode", "enforce"}).exit_code, 0);
    EXPECT_EQ(exec("box", "cat /etc/shadow").exit_code, 0);
    const Written policy("learned.toml");
    const Outcome written = bulkhead({"policy", "learn", "box", "--output", policy.path()});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    const std::string text = policy.text();
    EXPECT_NE(text.find("\"/srv\","), std::string::npos) << text;
    EXPECT_NE(text.find("\"/etc/hostname\","), std::string::npos) << text;
    EXPECT_EQ(text.find("/etc/shadow"), std::string::npos) << text;
    EXPECT_EQ(bulkhead({"policy", "apply", "box", policy.path()}).exit_code, 0);
    EXPECT_EQ(exec("box", "echo x > /srv/made && cat /etc/hostname").exit_code, 0);
    EXPECT_NE(exec("box", "cat /etc/shadow").exit_code, 0);

    // Again: it adds to what was learned before.
    ASSERT_EQ(bulkhead({"set", "box", "--mode", "learn"}).exit_code, 0);
    EXPECT_EQ(exec("box", "cat /etc/issue").exit_code, 0);
    EXPECT_EQ(bulkhead({"policy", "learn", "box", "--output", policy.path()}).exit_code, 0);
    for (const char* line : {"\"/srv\",", "\"/etc/hostname\",", "\"/etc/issue\","})
        EXPECT_NE(policy.text().find(line), std::string::npos) << policy.text();
}

TEST(Learn, TakesASectionAndLeavesTheOthers) {
    const NothingLeft nothing_left;
    const PolicyFile half("half",
                          "[files]\nmode = \"learn\"\nrefuse = [\"/etc/hostname\"]\n"
                          "[network]\nlisten = []\n");
    const Written policy("learned.toml");
    const Outcome learned =
        run({"--policy", half.path(), "--learn", policy.path()},
            {"bash", "-c",
             "cat /etc/hostname && ! python3 -c 'import socket; s = socket.socket(); "
             "s.bind((\"\", 99))'"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    const std::string text = policy.text();
    EXPECT_NE(text.find("listen = []"), std::string::npos) << text;
    EXPECT_NE(text.find("\"/etc/hostname\","), std::string::npos) << text;
    EXPECT_EQ(text.find("[capabilities]"), std::string::npos) << text;
    EXPECT_EQ(bulkhead({"policy", "check", policy.path()}).exit_code, 0) << text;
    expect_refused(run({"--policy", "web", "--learn", policy.path()}, {"true"}),
                   {125, {"--learn", "does not learn"}});
}

// The start makes both nodes.
TEST(Learn, NamesTheDevicesThatWereOpened) {
    const NothingLeft nothing_left;
    const PolicyFile given("given",
                           "mode = \"learn\"\n[files]\n"
                           "allow_devices = [\"/dev/cpu_dma_latency\", \"/dev/kmsg\"]\n");
    const Arguments open = {"bash", "-c", "test -e /dev/kmsg && exec 3< /dev/cpu_dma_latency"};
    const Written policy("learned.toml");
    const Outcome learned = run({"--policy", given.path(), "--learn", policy.path()}, open);
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    expect_policy(policy.path());
    const std::string text = policy.text();
    EXPECT_NE(text.find("allow_devices = [\n  \"/dev/cpu_dma_latency\","), std::string::npos)
        << text;
    EXPECT_EQ(text.find("kmsg"), std::string::npos) << text;
    EXPECT_EQ(text.find("\"devices\""), std::string::npos) << text;
    const Arguments opened = {"bash", "-c", "exec 3< /dev/cpu_dma_latency"};
    expect_passes(policy.path(), opened);
}

// 70 directories deep.
TEST(Learn, SaysWhatNoRuleCanName) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Outcome learned =
        run({"--learn", policy.path()}, {"python3", "-I", "-c",
                                         "import os\nos.makedirs('/tmp' + '/d' * 70)\n"
                                         "open('/tmp' + '/d' * 70 + '/file', 'w').close()"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    EXPECT_NE(policy.text().find("# NOT IN THE RULES, as no rule can name it: paths, "),
              std::string::npos)
        << policy.text();
    EXPECT_EQ(bulkhead({"policy", "check", policy.path()}).exit_code, 0) << policy.text();
}

TEST(Learn, SaysThatItIsIncompleteWhenTheMapIsFull) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Outcome learned = run({"--name", "many", "--keep", "--learn", policy.path()},
                                {"python3", "-c",
                                 "import os\nos.mkdir('/tmp/many')\n"
                                 "for i in range(9000): open('/tmp/many/%d' % i, 'w').close()"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    EXPECT_NE(policy.text().find("# INCOMPLETE: "), std::string::npos) << policy.text();
    const Written again("again.toml");
    expect_refused(bulkhead({"policy", "learn", "many", "--output", again.path()}),
                   {1, {"many did", "incomplete", "learn again"}});
    EXPECT_NE(again.text().find("# INCOMPLETE: "), std::string::npos) << again.text();
    EXPECT_EQ(bulkhead({"destroy", "many"}).exit_code, 0);
}

// The profiles that are shipped, with programs that they are for.
void expect_works(const std::string& profile, const std::string& script) {
    const Outcome outcome =
        run({"--name", "works", "--keep", "--policy", profile}, {"bash", "-c", script});
    EXPECT_EQ(outcome.exit_code, 0)
        << profile << ": " << outcome.out << outcome.err << bulkhead({"why", "works"}).out;
    expect_no_refusal("works", profile);
    EXPECT_EQ(bulkhead({"destroy", "works"}).exit_code, 0);
}

TEST(Profiles, WebRunsAServerThatAnswers) {
    const NothingLeft nothing_left;
    expect_works("web",
                 "nginx -g 'daemon off;' & until curl -fsS http://127.0.0.1/ >/tmp/page; do "
                 "sleep 0.2; done; grep -q nginx /tmp/page; nginx -s quit && wait");
}

TEST(Profiles, AgentRunsAnInterpreter) {
    const NothingLeft nothing_left;
    expect_works("agent",
                 "cd && python3 -c 'import pickle; pickle.dump([1], open(\"out\", \"wb\"))' && "
                 "test -s out");
}

TEST(Profiles, MinimalRunsAFilter) {
    const NothingLeft nothing_left;
    expect_works("minimal", "cd /tmp && cp /etc/passwd in && xz -k in && xz -dc in.xz | cmp - in");
}

TEST(Profiles, CiJobRunsWhatItBuilt) {
    const NothingLeft nothing_left;
    expect_works("ci-job",
                 "mkdir /build && cd /build && printf '#!/bin/sh\\necho built\\n' > tool && "
                 "chmod 755 tool && test \"$(./tool)\" = built && tar cf out.tar tool && "
                 "xz out.tar && mv tool /usr/local/bin/");
}

}  // namespace
}  // namespace bulkhead::tests
