// [kernel] sysctl, fuse and ioctl, and [files] revoke, on environments that run.
#include <unistd.h>

#include <cstdlib>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/inside.h"
#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {
namespace {

void apply(const PolicyFile& policy) {
    const Outcome applied = bulkhead({"policy", "apply", "box", policy.path()});
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
}

constexpr const char* kForward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
constexpr const char* kTtl = "echo 65 > /proc/sys/net/ipv4/ip_default_ttl";

TEST(PolicyKernel, GivesTheSysctlsThatItNames) {
    const NothingLeft nothing_left;
    // The kernel itself asks for the capability.
    const std::string keep = "[capabilities]\nkeep = [\"net_admin\"]\n";
    const PolicyFile forward("forward", "[kernel]\nsysctl = [\"net.ipv4.ip_forward\"]\n" + keep);
    const PolicyFile ttl("ttl", "[kernel]\nsysctl = [\"net.ipv4.ip_default_ttl\"]\n" + keep);
    const Detached box("box", {"sleep", "600"}, {"--policy", forward.path()});
    EXPECT_EQ(done(std::string(kForward) + " && cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    expect_no(kTtl, "[kernel] sysctl = [\"net.ipv4.ip_default_ttl\"]");
    EXPECT_NE(bulkhead({"why", "box"}).out.find("/tmp/forward.toml:2:1: [kernel] sysctl"),
              std::string::npos);
    EXPECT_NE(exec("box", "echo x > /proc/sys/kernel/core_pattern").exit_code, 0);
    apply(ttl);
    done(kTtl);
    expect_no(kForward, "[kernel] sysctl = [\"net.ipv4.ip_forward\"]");
}

TEST(PolicyKernel, LeavesSysctlsReadOnlyWithoutAList) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "600"});
    const Outcome outcome = exec("box", kForward);
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos) << outcome.err;
}

TEST(PolicyKernel, RefusesToGiveTheMachinesSysctls) {
    const PolicyFile policy("machine", "[kernel]\nsysctl = [\"kernel.core_pattern\"]\n");
    const Outcome outcome = bulkhead({"policy", "check", policy.path()});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_NE(
        outcome.err.find("/tmp/machine.toml:2:11: [kernel] sysctl: kernel.core_pattern is the "
                         "machine's: cannot be allowed"),
        std::string::npos)
        << outcome.err;
}

TEST(PolicyKernel, LetsOnlyTheListedKindsOfDevicesTakeIoctls) {
    const NothingLeft nothing_left;
    constexpr const char* kDevice = "[files]\nallow_devices = [\"/dev/cpu_dma_latency\"]\n";
    const PolicyFile all("all", kDevice);
    const PolicyFile terminals("terminals",
                               std::string(kDevice) + "[kernel]\nioctl = [\"terminal\"]\n");
    constexpr const char* kAsk = "stty -F /dev/cpu_dma_latency";
    const Detached box("box", {"sleep", "600"}, {"--policy", all.path()});
    EXPECT_NE(exec("box", kAsk).err.find("Inappropriate ioctl"), std::string::npos);
    apply(terminals);
    EXPECT_NE(exec("box", kAsk).err.find("Operation not permitted"), std::string::npos);
    const std::string why = bulkhead({"why", "box"}).out;
    EXPECT_NE(why.find("file_ioctl ioctl 0x5401 on"), std::string::npos) << why;
    EXPECT_NE(why.find("/tmp/terminals.toml:4:1: [kernel] ioctl"), std::string::npos) << why;
    EXPECT_NE(why.find("to allow it: [kernel] ioctl = [\"other\"]"), std::string::npos) << why;
    apply(all);
    EXPECT_NE(exec("box", kAsk).err.find("Inappropriate ioctl"), std::string::npos);
}

TEST(PolicyKernel, GivesFuse) {
    const NothingLeft nothing_left;
    ASSERT_TRUE(::access("/dev/fuse", F_OK) == 0 || std::system("modprobe fuse") == 0);
    const PolicyFile policy("fuse", "[kernel]\nfuse = \"allow\"\n"), none("none", "");
    const Detached box("box", {"sleep", "600"}, {"--policy", policy.path()});
    done("exec 3<> /dev/fuse");
    apply(none);
    expect_no("exec 3<> /dev/fuse", "[kernel] fuse = \"allow\"");
}

// Reads on from a file that it opened, a byte each time.
constexpr const char* kReader =
    "n=0; echo x > /srv/secret; exec 3< /srv/secret; while dd bs=1 count=1 <&3 >/dev/null "
    "2>/tmp/said; do "
    "n=$((n + 1)); echo $n > /tmp/n; sleep 0.1; done; touch /tmp/ended; sleep 600";

TEST(PolicyFiles, RevokeWhatWasOpenedWhereTheyAskForIt) {
    const NothingLeft nothing_left;
    constexpr const char* kRefuse = "[files]\nrefuse = [\"/srv/secret\"]\n";
    const PolicyFile refuse("refuse", kRefuse);
    const PolicyFile revoke("revoke", std::string(kRefuse) + "revoke = \"open-files\"\n");
    const Detached box("box", {"bash", "-c", kReader});
    const auto count = [] { return std::atoi(exec("box", "cat /tmp/n").out.c_str()); };
    ASSERT_TRUE(eventually([&] { return count() > 0; }));
    apply(refuse);
    expect_no("cat /srv/secret", "[files] read = [\"/srv/secret\"]");
    const int before = count();
    EXPECT_TRUE(eventually([&] { return count() > before + 1; })) << "reading went on";
    EXPECT_NE(exec("box", "test -e /tmp/ended").exit_code, 0);
    apply(revoke);
    EXPECT_TRUE(eventually([] { return exec("box", "test -e /tmp/ended").exit_code == 0; }));
    EXPECT_NE(done("cat /tmp/said").find("Operation not permitted"), std::string::npos);
    const std::string why = bulkhead({"why", "box"}).out;
    EXPECT_NE(why.find("file_permission"), std::string::npos) << why;
    EXPECT_NE(why.find("/tmp/revoke.toml:2:11: [files] refuse \"/srv/secret\""), std::string::npos)
        << why;
}

}  // namespace
}  // namespace bulkhead::tests
