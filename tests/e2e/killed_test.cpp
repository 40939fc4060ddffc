// SIGKILL to the programs of ours that run: enforcement and metering go on, nothing leaks, and
// the next command cleans up.
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/minded.h"
#include "tests/e2e/policy_file.h"
#include "tests/e2e/traced.h"

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

// An environment with everything that an end has to take away.
class Ending {
public:
    Ending() : minder_(arguments()) {}

    [[nodiscard]] bool has_begun() const {
        return eventually([] { return runs("ending"); }, 30);
    }

    // The payload ends; `run` collects, writes and clears away, and is killed when it is about to
    // change something for the `change`th time. False: it had ended before.
    bool kill_at(int change) {
        Traced traced(minder_.pid());
        ::kill(bulkhead_json({"status", "ending"}).at("pid").get<pid_t>(), SIGKILL);
        for (int i = 0; i <= change; ++i) {
            if (!traced.to_next_change())
                return false;
        }
        minder_.kill();
        return true;
    }

    static constexpr const char* kReceipt = "/tmp/bulkhead-killed-receipt";

private:
    Arguments arguments() const {
        Arguments all =
            run_arguments("ending", {"/bin/sh", "-c", "mount -t tmpfs a /mnt; sleep 600"});
        all.insert(all.begin() + 1,
                   {"--receipt", kReceipt, "--policy", policy_.path(), "--beancounter",
                    "numfile=4000:5000", "--budget", "processes=5000/1d"});
        return all;
    }

    PolicyFile policy_{"ending", "[files]\nrefuse = [\"/srv\"]\n[network]\ndefault = \"refuse\"\n"};
    Running minder_;
};

bool ending_is_gone() {
    return bulkhead_json({"list"}).dump().find("\"ending\"") == std::string::npos;
}

TEST(Killed, RunAtTheChangesOfAnEnd) {
    // The first one of a load leaves the file of the counters, for all that come.
    {
        Ending first;
        ASSERT_TRUE(first.has_begun());
        ASSERT_FALSE(first.kill_at(1000)) << "an end changes less than this";
    }
    const NothingLeft nothing_left;
    bool killed = true;
    // Many a change is one row or pin of several alike: every fourth one, others on another kernel.
    constexpr int kStep = 4;
    int change = number_of_kernel(kStep);
    for (; killed; change += kStep) {
        ::unlink(Ending::kReceipt);
        Ending ending;
        ASSERT_TRUE(ending.has_begun());
        killed = ending.kill_at(change);
        EXPECT_TRUE(eventually(ending_is_gone)) << "killed at change " << change;
        std::ifstream written(Ending::kReceipt);
        EXPECT_TRUE(written) << "no receipt, killed at change " << change;
        EXPECT_FALSE(nlohmann::json::parse(written, nullptr, false).is_discarded())
            << "half a receipt, killed at change " << change;
    }
    EXPECT_NE(::access((std::string(Ending::kReceipt) + ".new").c_str(), F_OK), 0)
        << "half a receipt is left";
    EXPECT_GT(change, 10) << "an end changes more than this";
    std::printf("killed at every fourth one of %d changes\n", change - kStep);
    ::unlink(Ending::kReceipt);
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
