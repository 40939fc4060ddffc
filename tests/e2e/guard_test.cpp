// load --protect with the installed program, to which the test itself is a task of the host that
// has no business with the pins.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/http.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

int open_pin() {
    const UniqueFd map(bpf_obj_get(loader::map_pin("bh_envs").c_str()));
    return map ? 0 : errno;
}

// How often the kernel's log says so by now.
std::size_t forced_in_kernel_log() {
    const UniqueFd log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    std::size_t count = 0;
    std::array<char, 8192> record{};
    for (ssize_t bytes = 0;
         (bytes = ::read(log.get(), record.data(), record.size())) > 0 || errno == EPIPE;) {
        const std::string_view text(record.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
        count += text.find("bulkhead: unload --force by uid 0") != std::string_view::npos ? 1 : 0;
    }
    return count;
}

bool has_event(const std::string& name) {
    const auto events = bulkhead({"events", "--json"}).out;
    return events.find("\"event\":\"" + name + "\"") != std::string::npos;
}

// Others find the programs loaded and open, whichever of the cases ran. Unloading takes long in a
// guest: once for all cases.
class Protect : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(bulkhead({"load"}).exit_code, 0);
        const auto loaded = bulkhead_json({"load", "--protect"});
        EXPECT_EQ(loaded.at("changed"), true);
        EXPECT_EQ(loaded.at("protected"), true);
    }
    static void TearDownTestSuite() {
        if (bulkhead_json({"load"}).at("protected")) {
            EXPECT_EQ(bulkhead({"unload", "--force"}).exit_code, 0);
        }
        // With the environments' parent cgroup, which other cases expect.
        EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    }
};

TEST_F(Protect, RefusesOthersAndOurCommandsGoOn) {
    EXPECT_EQ(open_pin(), EPERM);
    EXPECT_EQ(::unlink(loader::link_pin("bh_task_kill").c_str()), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(bulkhead({"load", "--protect"}).out, "loaded and protected already\n");
    {
        const Detached box("box", {"sleep", "600"}, {"--policy", "minimal"});
        EXPECT_EQ(bulkhead({"set", "box", "--allow", "syslog"}).exit_code, 0);
        EXPECT_EQ(bulkhead({"policy", "apply", "box", "default"}).exit_code, 0);
        EXPECT_EQ(bulkhead_json({"usage"}).at(0).at("environment"), "box");
        EXPECT_EQ(bulkhead({"exec", "box", "--", "true"}).exit_code, 0);
        expect_refused(bulkhead({"unload", "--force"}), {1, {"1 environment"}});
        EXPECT_EQ(open_pin(), EPERM) << "forced in vain, and protected still";
    }
    EXPECT_TRUE(has_event("protected"));
}

TEST_F(Protect, EndsByForceWhichIsLogged) {
    const std::size_t before = forced_in_kernel_log();
    expect_refused(bulkhead({"unload"}), {1, {"protected", "unload --force"}});
    const Running agent({"agent", "--listen", "127.0.0.1:9761"});
    EXPECT_TRUE(eventually([] { return !http_get(9761, "/metrics").empty(); }, 60));
    EXPECT_EQ(::kill(agent.pid(), SIGTERM), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_FALSE(http_get(9761, "/metrics").empty());
    EXPECT_EQ(open_pin(), EPERM);
    EXPECT_EQ(forced_in_kernel_log(), before);

    EXPECT_EQ(bulkhead({"unload", "--force"}).exit_code, 0);
    EXPECT_EQ(forced_in_kernel_log(), before + 1);
    EXPECT_TRUE(has_event("forced-unload"));
    // From here on the agent is killed like any other.
    EXPECT_EQ(bulkhead_json({"load"}),
              (nlohmann::json{{"loaded", true}, {"changed", true}, {"protected", false}}));
    EXPECT_EQ(open_pin(), 0);
}

}  // namespace
}  // namespace bulkhead::tests
