// Beancounters whose `set` is killed, with SIGKILL, while the environment makes and frees all the
// time what they count; then all of that is killed.
#include <signal.h>

#include <cstdio>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/traced.h"

namespace bulkhead::tests {
namespace {

// Wants more than the bounds. What it forks has the files of the round before.
constexpr const char* kStorm =
    "$SIG{CHLD} = 'IGNORE'; while (1) { exit if !(fork // 1); my @file; for (1 .. 8) { "
    "open($file[$_], '<', '/etc/passwd') } }";
const Arguments kBounds = {"numfile=14", "numproc=2"};
const Arguments kNoBounds = {"numfile=unlimited", "numproc=unlimited"};

Arguments set(const Arguments& bounds) {
    Arguments arguments = {"set", "box"};
    for (const std::string& bound : bounds)
        arguments.insert(arguments.end(), {"--beancounter", bound});
    return arguments;
}

nlohmann::json counter(const std::string& name) {
    for (const nlohmann::json& one : bulkhead_json({"beancounters", "box"}))
        if (one.at("name") == name)
            return one;
    return {};
}

// Tasks that there were before the bound are above it for as long as they live.
void expect_none_above() {
    const nlohmann::json files = counter("numfile");
    if (files["limit"].is_number() && files["held"].is_number()) {
        EXPECT_LE(files["held"], files["limit"]);
        EXPECT_LE(files["maxheld"], files["limit"]);
    }
}

// Killed when it is about to change something for the `change`th time. False: it had ended before.
bool set_killed_at(int change, const Arguments& bounds) {
    Running command(set(bounds));
    Traced traced(command.pid());
    for (int i = 0; i <= change; ++i)
        if (!traced.to_next_change())
            return false;
    return true;
}

// All of the environment but its first process.
void kill_storm() {
    const auto first = bulkhead_json({"status", "box"}).at("pid").get<pid_t>();
    std::ifstream processes("/sys/fs/cgroup/bulkhead/box/cgroup.procs");
    for (pid_t pid = 0; processes >> pid;)
        if (pid != first) {
            EXPECT_EQ(::kill(pid, SIGKILL), 0);
        }
}

TEST(BeancountersKilled, StayExactWhoeverIsKilledInAStorm) {
    const NothingLeft nothing_left;
    const Detached box("box", {"/bin/sleep", "6000"});
    const Running storm({"exec", "box", "--", "perl", "-e", kStorm});
    // Some of the changes: each command waits for the kernel to let go of programs.
    int change = 0;
    for (bool killed = true; killed; change += 8) {
        killed = set_killed_at(change, kBounds);
        expect_none_above();
        killed = set_killed_at(change + 4, kNoBounds) || killed;
    }
    std::printf("killed at every eighth of %d changes\n", change - 8);
    EXPECT_GT(change, 16) << "bounds change more than this";

    EXPECT_EQ(bulkhead(set(kBounds)).exit_code, 0);
    EXPECT_TRUE(eventually([] { return counter("numfile")["failcnt"] > 10; }));
    EXPECT_TRUE(eventually([] { return counter("numproc")["failcnt"] > 10; }));
    kill_storm();
    EXPECT_TRUE(eventually([] { return counter("numfile")["held"] == 0; }));
    EXPECT_TRUE(eventually([] { return counter("numproc")["held"] == 1; })) << "the sleep";
    expect_none_above();
    EXPECT_EQ(bulkhead(set(kNoBounds)).exit_code, 0);
    EXPECT_EQ(counter("numproc")["limit"], "unlimited");
}

}  // namespace
}  // namespace bulkhead::tests
