// What `bulkhead run` promises of the process it starts.
#include <fstream>
#include <sstream>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

Outcome run_shell(const std::string& script, const Arguments& options = {}) {
    return run(options, {"sh", "-c", script});
}

std::string host_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(Run, PassesTheExitCodeOn) {
    const NothingLeft nothing_left;
    EXPECT_EQ(run_shell("exit 0").exit_code, 0);
    EXPECT_EQ(run_shell("exit 7").exit_code, 7);
    EXPECT_EQ(run_shell("kill -KILL $$; :").exit_code == 0, true)
        << "pid 1 cannot be killed from inside";
    EXPECT_EQ(run_shell("(kill -TERM $(sh -c 'echo $PPID'))").exit_code, 128 + 15);
}

TEST(Run, TellsACommandThatIsNotThereFromOneThatCannotExecute) {
    const NothingLeft nothing_left;
    EXPECT_EQ(run({}, {"no-such-command"}).exit_code, 127);
    EXPECT_EQ(run({}, {"/etc/passwd"}).exit_code, 126);
}

TEST(Run, IsPidOneAndRootInside) {
    const Outcome outcome = run_shell("echo $$; id -u; cat /proc/self/uid_map");
    EXPECT_EQ(outcome.out.substr(0, 4), "1\n0\n") << outcome.err;
    EXPECT_NE(outcome.out.find("65536"), std::string::npos);
}

TEST(Run, HasAnInitThatReapsOnRequest) {
    const Outcome outcome =
        run_shell("(sh -c 'sleep 0.2 &'); sleep 1; ps -e -o stat= | grep -c Z; exit 3", {"--init"});
    EXPECT_EQ(outcome.out, "0\n") << outcome.err;
    EXPECT_EQ(outcome.exit_code, 3);
}

TEST(Run, HasAHostNameUserDirectoryAndVariables) {
    const Outcome outcome = run_shell(
        "hostname; id -un; pwd; echo $COLOUR; grep CapEff /proc/self/status",
        {"--hostname", "ship", "--user", "nobody", "--workdir", "/tmp", "--env", "COLOUR=red"});
    EXPECT_EQ(outcome.out, "ship\nnobody\n/tmp\nred\nCapEff:\t0000000000000000\n") << outcome.err;
}

TEST(Run, RootInsideHasNoPowerBeyond) {
    const Outcome outcome = run_shell("grep CapBnd /proc/self/status");
    // CAP_SYS_ADMIN is 21, CAP_NET_ADMIN 12, CAP_SYS_MODULE 16, CAP_MKNOD 27.
    const auto mask = std::stoull(outcome.out.substr(outcome.out.find('\t') + 1), nullptr, 16);
    for (const int capability : {12, 16, 21, 27, 37, 38, 39})
        EXPECT_EQ(mask >> capability & 1, 0U) << capability;
}

TEST(Run, WritesStayInside) {
    const NothingLeft nothing_left;
    const Outcome outcome =
        run_shell("echo mine > /usr/written && echo mine > /etc/written && cat /usr/written");
    EXPECT_EQ(outcome.out, "mine\n") << outcome.err;
    EXPECT_EQ(run_shell("cat /usr/written").exit_code, 1) << "a second one sees it";
}

TEST(Run, HasItsOwnDevicesAndKernelFileSystems) {
    const Outcome outcome = run_shell(
        "ls /dev | tr '\\n' ' '; echo > /dev/null && head -c 4 /dev/urandom | wc -c; "
        "awk '$2 == \"/sys\" || $2 == \"/proc/sys\" || $2 == \"/sys/fs/cgroup\" "
        "{ print $2, substr($4, 1, 2) }' /proc/mounts | sort; cat /proc/self/cgroup");
    EXPECT_EQ(outcome.out,
              "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 4\n"
              "/proc/sys ro\n/sys ro\n/sys/fs/cgroup ro\n0::/\n")
        << outcome.err;
}

TEST(Run, KeepsNoDescriptorOfOurs) {
    // Neither the shell itself nor at the end of a pipe that it holds.
    const Outcome outcome = run_shell("ls /proc/1/fd; :");
    EXPECT_EQ(outcome.out, "0\n1\n2\n") << outcome.err;
}

TEST(Run, SeesNothingOfTheHostsMounts) {
    const Outcome outcome = run_shell("cut -d' ' -f5 /proc/self/mountinfo | sort | tr '\\n' ' '");
    EXPECT_EQ(outcome.out,
              "/ /dev /dev/mqueue /dev/pts /dev/shm /proc /proc/sys /run /sys /sys/fs/cgroup /tmp ")
        << outcome.err;
}

TEST(Run, HasLoopbackOnlyByDefaultAndTheHostsNetworkOnRequest) {
    const std::string script = "cat /sys/class/net/lo/operstate; readlink /proc/self/ns/net";
    const std::string host_namespace = "net:[";
    const Outcome own = run_shell(script);
    const Outcome shared = run_shell(script, {"--network", "host"});
    EXPECT_EQ(own.exit_code, 0) << own.err;
    EXPECT_EQ(shared.exit_code, 0) << shared.err;
    EXPECT_NE(own.out, shared.out);
}

TEST(Run, BindsOnRequestAndReadOnly) {
    std::ofstream("/tmp/on-the-host") << "from the host\n";
    const Outcome outcome = run_shell("cat /there; echo x > /there",
                                      {"--best-effort", "--mount", "/tmp/on-the-host:/there:ro"});
    EXPECT_EQ(outcome.out, "from the host\n") << outcome.err;
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_EQ(host_file("/tmp/on-the-host"), "from the host\n");
}

TEST(Run, LimitsAreTheCgroups) {
    const Outcome outcome =
        run_shell("cd /sys/fs/cgroup && cat memory.max cpu.max pids.max cpu.weight",
                  {"--memory", "64M", "--cpus", "0.5", "--pids", "32", "--cpu-weight", "50"});
    EXPECT_EQ(outcome.out, "67108864\n50000 100000\n32\n50\n") << outcome.err;
}

TEST(Run, WritesAReceiptAlsoWhenItRanOutOfMemory) {
    const NothingLeft nothing_left;
    const Outcome outcome =
        run({"--memory", "32M", "--swap", "0", "--receipt", "/tmp/receipt.json"},
            {"python3", "-c", "x = bytearray(300000000)"});
    EXPECT_EQ(outcome.exit_code, 137) << outcome.err;
    const auto receipt = nlohmann::json::parse(host_file("/tmp/receipt.json"));
    EXPECT_EQ(receipt.at("memory").at("oom_kills"), 1);
    EXPECT_TRUE(receipt.at("out_of_memory"));
    EXPECT_GT(receipt.at("cpu").at("total_ns"), 0);
    ::unlink("/tmp/receipt.json");
}

}  // namespace
}  // namespace bulkhead::tests
