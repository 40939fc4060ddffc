// A receipt of what somebody took the cgroup from before any command of ours looked.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

// Ten processes, a file in memory, packets over loopback.
const Arguments kWork = {
    "/bin/bash", "-c",
    "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; for n in 1 2 3 4 5 6 7 8 9 10; do "
    "/bin/true; done; dd if=/dev/zero of=/tmp/held bs=1M count=8 2>/dev/null; "
    "for n in 1 2 3; do echo packet > /dev/udp/127.0.0.1/9; done; exit 3"};

std::string cgroup_of(const std::string& name) {
    return "/sys/fs/cgroup/bulkhead/" + name;
}

// Looked at without any command, and without a file that makes the kernel add up.
bool is_empty(const std::string& cgroup) {
    std::ifstream events(cgroup + "/cgroup.events");
    for (std::string line; std::getline(events, line);)
        if (line == "populated 0")
            return true;
    return false;
}

nlohmann::json receipts(const std::string& name) {
    return bulkhead_json({"receipts", name});
}

// Neither is more than so many times the other.
void expect_alike(const nlohmann::json& mine, const nlohmann::json& twin, unsigned times) {
    EXPECT_LE(mine.get<std::uint64_t>(), times * twin.get<std::uint64_t>());
    EXPECT_GE(times * mine.get<std::uint64_t>(), twin.get<std::uint64_t>());
}

class Removed : public testing::Test {
protected:
    void SetUp() override { receipts("nobody"); }
};

TEST_F(Removed, HasTheReceiptOfItsTwin) {
    const NothingLeft nothing_left;
    {
        const Detached kept("rm-kept", kWork);
        EXPECT_TRUE(eventually([] { return is_empty(cgroup_of("rm-kept")); }, 60));
        EXPECT_EQ(receipts("rm-kept").size(), 1U);
    }
    {
        const Detached mine("rm-mine", kWork);
        EXPECT_TRUE(eventually([] { return is_empty(cgroup_of("rm-mine")); }, 60));
        EXPECT_EQ(::rmdir(cgroup_of("rm-mine").c_str()), 0);
        EXPECT_EQ(bulkhead({"stop", "rm-mine"}).exit_code, 0) << "it has ended";
        EXPECT_EQ(receipts("rm-mine").size(), 1U);
        EXPECT_EQ(bulkhead_json({"status", "rm-mine"}).at("phase"), "ended");
    }
    const auto all = receipts("rm-mine");
    ASSERT_EQ(all.size(), 1U);
    const auto& mine = all[0];
    const auto twin = receipts("rm-kept").at(0);
    EXPECT_EQ(mine["exact"], true);
    EXPECT_EQ(mine["exit"], twin["exit"]);
    EXPECT_EQ(mine["exit"]["code"], 3);
    expect_alike(mine["cpu"]["total_ns"], twin["cpu"]["total_ns"], 8);
    expect_alike(mine["memory"]["peak_bytes"], twin["memory"]["peak_bytes"], 2);
    expect_alike(mine["memory"]["faults"], twin["memory"]["faults"], 2);
    EXPECT_GE(mine["memory"]["peak_bytes"], 8 << 20);
    EXPECT_GT(mine["memory"]["byte_seconds"], 0);
    EXPECT_EQ(mine["tasks"], twin["tasks"]);
    EXPECT_GE(mine["tasks"]["forks"], 10);
    EXPECT_EQ(mine["network"], twin["network"]);
    EXPECT_GE(mine["network"]["sent_packets"], 3);
}

// As a service manager does with what it stopped.
TEST_F(Removed, HasAnAdoptedServiceToTheEnd) {
    const NothingLeft nothing_left;
    const std::string cgroup = "/sys/fs/cgroup/rm-shop.service";
    std::filesystem::create_directory(cgroup);
    const pid_t service = ::fork();
    if (service == 0) {
        std::ofstream(cgroup + "/cgroup.procs") << "0";
        ::execl("/bin/bash", "bash", "-c",
                "until [ -e /run/rm-go ]; do sleep 0.05; done; "
                "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; touch /run/rm-done",
                nullptr);
        ::_exit(127);
    }
    EXPECT_TRUE(eventually([&] { return !is_empty(cgroup); }));
    EXPECT_EQ(
        bulkhead({"adopt", "rm-shop.service", "--policy", "audit", "--name", "rm-shop"}).exit_code,
        0);
    const auto before = bulkhead_json({"usage", "rm-shop"})["cpu"]["total_ns"];
    std::ofstream("/run/rm-go") << "";
    ::waitpid(service, nullptr, 0);
    EXPECT_EQ(::access("/run/rm-done", F_OK), 0);
    EXPECT_TRUE(eventually([&] { return ::rmdir(cgroup.c_str()) == 0 || errno == ENOENT; }));
    const auto all = receipts("rm-shop");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0]["exact"], true);
    EXPECT_GT(all[0]["cpu"]["total_ns"].get<std::uint64_t>(),
              before.get<std::uint64_t>() + 20'000'000);
    ::unlink("/run/rm-go");
    ::unlink("/run/rm-done");
}

}  // namespace
}  // namespace bulkhead::tests
