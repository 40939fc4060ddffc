// Environments that go on running: what can be seen of them and done to them.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

Outcome exec(const std::string& name, const Arguments& command) {
    Arguments arguments = {"exec", name, "--"};
    arguments.insert(arguments.end(), command.begin(), command.end());
    return bulkhead(arguments);
}

TEST(Life, DetachedOnesAreListedUntilTheyAreDestroyed) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const auto list = bulkhead_json({"list"});
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.at(0).at("name"), "web");
    EXPECT_EQ(list.at(0).at("phase"), "running");
    EXPECT_EQ(bulkhead_json({"status", "web"}).at("mode"), "enforce");
}

TEST(Life, ExecJoinsEverything) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const Outcome outcome =
        exec("web", {"sh", "-c",
                     "for n in cgroup ipc mnt net pid time user uts; do "
                     "test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; "
                     "done; cat /proc/self/cgroup; ps -e -o comm= | head -1; exit 5"});
    EXPECT_EQ(outcome.out, "0::/\nsleep\n") << outcome.err;
    EXPECT_EQ(outcome.exit_code, 5);
}

TEST(Life, ExecTellsItsOutcomeAsJson) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const Outcome outcome =
        bulkhead({"exec", "--json", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3"});
    EXPECT_EQ(outcome.exit_code, 3);
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json.at("exit_code"), 3);
    EXPECT_EQ(json.at("stdout"), "out\n");
    EXPECT_EQ(json.at("stderr"), "err\n");
}

TEST(Life, ExecIsFencedAsWell) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const Outcome outcome = exec("web", {"unshare", "--user", "true"});
    EXPECT_NE(outcome.exit_code, 0);
    const auto why = bulkhead_json({"why", "web"});
    ASSERT_FALSE(why.empty());
    EXPECT_EQ(why.back().at("rule"), "user_namespaces");
    EXPECT_EQ(why.back().at("hook"), "userns_create");
    EXPECT_EQ(why.back().at("comm"), "unshare");
    EXPECT_EQ(why.back().at("errno"), "EPERM");
}

TEST(Life, SetChangesARunningOne) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    EXPECT_NE(exec("web", {"unshare", "--user", "true"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"set", "web", "--allow", "user_namespaces"}).exit_code, 0);
    EXPECT_EQ(exec("web", {"unshare", "--user", "true"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"set", "web", "--refuse", "user_namespaces"}).exit_code, 0);
    EXPECT_NE(exec("web", {"unshare", "--user", "true"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"set", "web", "--mode", "audit"}).exit_code, 0);
    EXPECT_EQ(exec("web", {"unshare", "--user", "true"}).exit_code, 0);
    const auto status = bulkhead_json({"status", "web"});
    EXPECT_EQ(status.at("mode"), "audit");
    EXPECT_EQ(status.at("generation"), 1) << "the same policy as before";
    EXPECT_GE(status.at("audited"), 1);
}

TEST(Life, StopAsksAndThenInsists) {
    const NothingLeft nothing_left;
    const Detached polite("polite", {"sh", "-c", "trap 'exit 9' TERM; sleep 600 & wait"});
    ASSERT_TRUE(eventually([] {
        return exec("polite", {"grep", "-q", "SigCgt:.*[4-7c-f]...$", "/proc/1/status"})
                   .exit_code == 0;
    }));
    EXPECT_EQ(bulkhead({"stop", "polite"}).exit_code, 0);
    EXPECT_EQ(bulkhead_json({"status", "polite"}).at("exit_code"), 9);
    const Detached deaf("deaf", {"sleep", "600"});
    EXPECT_EQ(bulkhead({"stop", "deaf", "--timeout", "0"}).exit_code, 0);
    EXPECT_EQ(bulkhead_json({"status", "deaf"}).at("exit_code"), 137);
    EXPECT_EQ(bulkhead_json({"status", "deaf"}).at("phase"), "ended");
}

TEST(Life, DestroyRefusesWhatRunsUnlessForced) {
    const NothingLeft nothing_left;
    const Detached web("web", {"sleep", "600"});
    const Outcome refused = bulkhead({"destroy", "web"});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.err.find("bulkhead stop web"), std::string::npos);
    EXPECT_EQ(bulkhead({"destroy", "--force", "web"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"status", "web"}).exit_code, 1);
}

TEST(Life, TwoHaveTheSameNamesAndDoNotMeet) {
    const NothingLeft nothing_left;
    const Detached one("one", {"sh", "-c", "echo one > /tmp/mine; sleep 600"});
    const Detached two("two", {"sh", "-c", "echo two > /tmp/mine; sleep 600"});
    ASSERT_TRUE(eventually([] { return exec("two", {"cat", "/tmp/mine"}).out == "two\n"; }));
    EXPECT_EQ(exec("one", {"cat", "/tmp/mine"}).out, "one\n");
    EXPECT_NE(exec("one", {"cat", "/proc/self/uid_map"}).out,
              exec("two", {"cat", "/proc/self/uid_map"}).out);
    EXPECT_EQ(exec("one", {"sh", "-c", "ps -e | grep -c two"}).out, "0\n");
}

TEST(Life, KeptOnesAreThereAfterTheirEnd) {
    const NothingLeft nothing_left;
    const std::string written = "/var/lib/bulkhead/kept/upper/root/result";
    const Outcome outcome =
        run({"--keep", "--name", "kept"}, {"sh", "-c", "echo done > /root/result; exit 4"});
    EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
    const auto status = bulkhead_json({"status", "kept"});
    EXPECT_EQ(status.at("phase"), "ended");
    EXPECT_EQ(status.at("exit_code"), 4);
    std::string text;
    std::getline(std::ifstream(written), text);
    EXPECT_EQ(text, "done");
    EXPECT_EQ(bulkhead({"destroy", "kept"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(written));
}

}  // namespace
}  // namespace bulkhead::tests
