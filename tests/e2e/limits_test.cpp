// Limits of an environment that runs, changed by `bulkhead set`: live, all or nothing.
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/governed.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

const Arguments kIdle = {"/bin/sleep", "1000"};

TEST(Limits, AreChangedWhileItRuns) {
    const NothingLeft nothing_left;
    const Detached box("box", kIdle, {"--memory", "64M", "--cpus", "0.5", "--pids", "50"});
    EXPECT_EQ(bulkhead({"exec", "box", "--", "sh", "-c", "true & wait"}).exit_code, 0);
    const Outcome set = bulkhead({"set", "box", "--memory", "96M", "--swap", "0", "--cpus",
                                  "unlimited", "--cpu-weight", "50", "--pids", "2"});
    ASSERT_EQ(set.exit_code, 0) << set.err;
    EXPECT_EQ(cgroup_file("box/memory.max"), std::to_string(96 << 20));
    EXPECT_EQ(cgroup_file("box/memory.swap.max"), "0");
    EXPECT_EQ(cgroup_file("box/cpu.max"), "max 100000");
    EXPECT_EQ(cgroup_file("box/cpu.weight"), "50");
    // The first process and the shell: there is no third.
    EXPECT_NE(bulkhead({"exec", "box", "--", "sh", "-c", "true & wait"}).exit_code, 0);
    ASSERT_EQ(bulkhead({"set", "box", "--pids", "50", "--memory", "unlimited"}).exit_code, 0);
    EXPECT_EQ(cgroup_file("box/memory.max"), "max");
    EXPECT_EQ(cgroup_file("box/cpu.weight"), "50") << "what is not named stays";
    EXPECT_EQ(bulkhead({"exec", "box", "--", "sh", "-c", "true & wait"}).exit_code, 0);
}

TEST(Limits, ThatCannotBeChangeNothing) {
    const NothingLeft nothing_left;
    const Detached holds("holds", {"/usr/bin/perl", "-e", "$held = 'x' x 8388608; sleep 1 while 1"},
                         {"--memory", "64M", "--plan", "cpus=0.5..1"});
    EXPECT_TRUE(
        eventually([] { return std::stol(cgroup_file("holds/memory.current")) > 8 << 20; }, 60));
    expect_refused(bulkhead({"set", "holds", "--memory", "2M"}), {2, {"holds uses", "--memory"}});
    expect_refused(bulkhead({"set", "holds", "--memory", "512"}), {2, {"at least 1M"}});
    expect_refused(bulkhead({"set", "holds", "--memory", "32M", "--cpus", "2"}),
                   {2, {"--cpus", "--plan"}});
    expect_refused(bulkhead({"set", "holds", "--pids", "100", "--memory", "lots"}), {2, {"lots"}});
    expect_refused(bulkhead({"set", "holds", "--memory-min", "128M"}), {2, {"--memory-min"}});
    expect_refused(bulkhead({"set", "holds", "--memory", "unlimited", "--memory-min", "100G"}),
                   {1, {"--memory-min", "cannot be kept"}});
    expect_refused(bulkhead({"set", "nobody", "--memory", "64M"}), {1, {"nobody"}});
    EXPECT_EQ(cgroup_file("holds/memory.max"), std::to_string(64 << 20));
    EXPECT_EQ(cgroup_file("holds/memory.min"), "0");
    EXPECT_EQ(cgroup_file("holds/pids.max"), "max");
}

TEST(Limits, GuaranteesAddUpWhenOneIsChanged) {
    const NothingLeft nothing_left;
    const Detached one("one", kIdle, {"--memory-min", "8M"});
    const Detached two("two", kIdle, {"--memory-min", "4M", "--memory-low", "2M"});
    ASSERT_EQ(bulkhead({"set", "one", "--memory-min", "12M", "--memory-low", "1M"}).exit_code, 0);
    EXPECT_EQ(cgroup_file("one/memory.min"), std::to_string(12 << 20));
    EXPECT_EQ(cgroup_file("memory.min"), std::to_string(16 << 20));
    EXPECT_EQ(cgroup_file("memory.low"), std::to_string(3 << 20));
    ASSERT_EQ(bulkhead({"set", "two", "--memory-min", "0"}).exit_code, 0);
    EXPECT_EQ(cgroup_file("memory.min"), std::to_string(12 << 20));
    EXPECT_EQ(cgroup_file("two/memory.low"), std::to_string(2 << 20)) << "it stays";
}

}  // namespace
}  // namespace bulkhead::tests
