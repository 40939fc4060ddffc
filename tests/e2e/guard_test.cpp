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
#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
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

// Loading and unloading take long in a guest: once for all cases, whichever of them ran, with what
// doctor says of a machine where nothing is loaded. Others find the programs loaded and open.
class Protect : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(bulkhead({"unload"}).exit_code, 0);
        unloaded() = bulkhead_json({"doctor"});
        const auto loaded = bulkhead_json({"load", "--protect"});
        EXPECT_EQ(loaded.at("changed"), true);
        EXPECT_EQ(loaded.at("protected"), true);
        // With the environments' parent cgroup, which all cases expect.
        EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    }
    static void TearDownTestSuite() {
        if (bulkhead_json({"load"}).at("protected")) {
            EXPECT_EQ(bulkhead({"unload", "--force"}).exit_code, 0);
        }
        EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    }

    static nlohmann::json& unloaded() {
        static nlohmann::json said;
        return said;
    }
};

TEST_F(Protect, IsTriedByDoctorLikeThePrograms) {
    const NothingLeft nothing_left;
    EXPECT_NE(unloaded().dump().find("attached ptrace_access_check"), std::string::npos)
        << unloaded();
    const auto without = doctor_row(unloaded(), "protection");
    EXPECT_FALSE(without.at("effective").get<bool>());
    EXPECT_EQ(without.at("remedy"), "bulkhead load --protect");
    EXPECT_NE(without.at("why").get<std::string>().find("loaded and attached"), std::string::npos);
    const auto with = doctor_row(bulkhead_json({"doctor"}), "protection");
    EXPECT_TRUE(with.at("effective").get<bool>()) << with;
}

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

// The agent serves on, with what is left: nothing lives, and no sum goes backwards.
TEST_F(Protect, EndsByForceWhichIsLogged) {
    const auto retired = [] { return scrape()["bulkhead_retired_environments_total"]; };
    const std::size_t before = forced_in_kernel_log();
    expect_refused(bulkhead({"unload"}), {1, {"protected", "unload --force"}});
    const Agent agent;
    EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    EXPECT_TRUE(eventually([&] { return retired() >= 1; }, 60));
    const double ended = retired();
    EXPECT_EQ(::kill(agent.pid(), SIGTERM), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_GE(retired(), ended);
    EXPECT_EQ(open_pin(), EPERM);
    EXPECT_EQ(forced_in_kernel_log(), before);

    EXPECT_EQ(bulkhead({"unload", "--force"}).exit_code, 0);
    EXPECT_EQ(forced_in_kernel_log(), before + 1);
    EXPECT_TRUE(has_event("forced-unload"));
    EXPECT_EQ(scrape()["bulkhead_environments"], 0);
    EXPECT_GE(retired(), ended);
    // From here on the agent is killed like any other.
    EXPECT_EQ(bulkhead_json({"load"}),
              (nlohmann::json{{"loaded", true}, {"changed", true}, {"protected", false}}));
    EXPECT_EQ(open_pin(), 0);
    EXPECT_GE(retired(), ended);
    const Detached shown("shown", {"sleep", "600"});
    EXPECT_EQ(scrape()["bulkhead_environments"], 1);
    EXPECT_EQ(announced_port(), static_cast<__u32>(kAgentPort));
}

}  // namespace
}  // namespace bulkhead::tests
