// SIGKILL to the programs of ours that run: enforcement and metering go on, nothing leaks, and
// the next command cleans up.
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/minded.h"

namespace bulkhead::tests {
namespace {

// Tries something that is refused, for ever.
const Arguments kOffender = {"/bin/sh", "-c",
                             "while :; do mount -t tmpfs none /mnt 2>/dev/null; sleep 0.1; done"};

std::uint64_t refused(const std::string& name) {
    return bulkhead_json({"status", name}).value("refused", std::uint64_t{0});
}

std::uint64_t cpu_ns(const std::string& name) {
    const nlohmann::json usage = bulkhead_json({"usage", name});
    const nlohmann::json& one = usage.is_array() ? usage.at(0) : usage;
    return one.at("cpu").at("total_ns").get<std::uint64_t>();
}

void expect_fenced_and_metered(const std::string& name) {
    const std::uint64_t refused_before = refused(name);
    const std::uint64_t cpu_before = cpu_ns(name);
    EXPECT_TRUE(eventually([&] { return refused(name) > refused_before; }));
    EXPECT_TRUE(eventually([&] { return cpu_ns(name) > cpu_before; }));
}

TEST(Killed, RunIsMissedByNobody) {
    const NothingLeft nothing_left;
    Running minder(run_arguments("orphan", kOffender));
    ASSERT_TRUE(eventually([] { return runs("orphan"); }, 30));
    minder.kill();
    expect_fenced_and_metered("orphan");
    const Outcome stopped = bulkhead({"stop", "orphan"});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
}

// Nobody stops it: it ends by itself, and whatever command comes next takes its remains away.
TEST(Killed, TheNextCommandSweepsWhatRunLeft) {
    const NothingLeft nothing_left;
    Running minder(run_arguments("short", {"/bin/sleep", "2"}));
    ASSERT_TRUE(eventually([] { return runs("short"); }, 30));
    minder.kill();
    EXPECT_TRUE(eventually(
        [] { return bulkhead_json({"list"}).dump().find("short") == std::string::npos; }));
}

TEST(Killed, RunInTheMiddleOfAStart) {
    const NothingLeft nothing_left;
    // Wherever it is hit: from before the first step to after the last one.
    for (int delay_ms = 0; delay_ms <= 200; delay_ms += 20) {
        Running minder(run_arguments("hit", {"/bin/true"}));
        ::usleep(static_cast<useconds_t>(delay_ms) * 1000);
        minder.kill();
        EXPECT_TRUE(eventually([] {
            return bulkhead_json({"list"}).dump().find("\"hit\"") == std::string::npos;
        })) << "killed after "
            << delay_ms << " ms";
    }
}

// The payload ends at once when it is asked to; from then on `run` collects, writes and clears
// away.
TEST(Killed, RunInTheMiddleOfAnEnd) {
    const NothingLeft nothing_left;
    const std::string receipt = "/tmp/bulkhead-killed-receipt";
    int whole = 0;
    for (int delay_ms = 0; delay_ms <= 120; delay_ms += delay_ms < 40 ? 4 : 20) {
        ::unlink(receipt.c_str());
        Arguments arguments = run_arguments("ending", {"/bin/sleep", "600"});
        arguments.insert(arguments.begin() + 1, {"--receipt", receipt});
        Running minder(arguments);
        ASSERT_TRUE(eventually([] { return runs("ending"); }, 30));
        ::kill(bulkhead_json({"status", "ending"}).at("pid").get<pid_t>(), SIGKILL);
        ::usleep(static_cast<useconds_t>(delay_ms) * 1000);
        minder.kill();
        EXPECT_TRUE(eventually([] {
            return bulkhead_json({"list"}).dump().find("\"ending\"") == std::string::npos;
        })) << "killed "
            << delay_ms << " ms after the end";
        std::ifstream written(receipt);
        if (!written)
            continue;
        ++whole;
        EXPECT_FALSE(nlohmann::json::parse(written, nullptr, false).is_discarded())
            << "half a receipt, killed " << delay_ms << " ms after the end";
    }
    EXPECT_NE(::access((receipt + ".new").c_str(), F_OK), 0) << "half a receipt is left";
    EXPECT_GT(whole, 0) << "it was never killed after the receipt: the delays are too short";
    ::unlink(receipt.c_str());
}

TEST(Killed, TheAgentIsMissedByNobody) {
    const NothingLeft nothing_left;
    const Detached offender("offender", kOffender);
    {
        Running agent({"agent", "--listen", "127.0.0.1:19753"});
        ::sleep(1);
        agent.kill();
    }
    expect_fenced_and_metered("offender");
    // The port and everything else it held is free: another one starts and lives.
    Running again({"agent", "--listen", "127.0.0.1:19753"});
    ::sleep(1);
    EXPECT_EQ(::kill(again.pid(), 0), 0);
}

}  // namespace
}  // namespace bulkhead::tests
