// Run-queue delay, against what the kernel keeps for each task.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "runtime/cgroup.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

void pin_to_first_cpu() {
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    EXPECT_EQ(::sched_setaffinity(0, sizeof first, &first), 0);
}

// The second number of /proc/PID/schedstat.
std::uint64_t run_delay_ns(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
    std::uint64_t running = 0;
    std::uint64_t waiting = 0;
    EXPECT_TRUE(file >> running >> waiting);
    return waiting;
}

PROVES(Meter, RunQueueDelayIsTheSumOfItsTasks, "bh_switch");
TEST(Meter, RunQueueDelayIsTheSumOfItsTasks) {
    BareEnvironment mine("mine");
    const auto compete = [] {
        pin_to_first_cpu();
        if (::fork() == 0) {
            burn_cpu_ms(400);
            ::pause();
        }
        burn_cpu_ms(400);
    };
    Actor first(&mine, compete);
    ::usleep(1'500'000);

    std::uint64_t sum = 0;
    std::ifstream tasks(mine.cgroup() + "/cgroup.procs");
    int count = 0;
    for (pid_t pid = 0; tasks >> pid; ++count)
        sum += run_delay_ns(pid);
    EXPECT_EQ(count, 2);
    EXPECT_GT(sum, 300'000'000U);
    EXPECT_EQ(read_meters(mine).state.run_delay_ns, sum);
    const auto cgroup = runtime::Cgroup::open("mine");
    ASSERT_TRUE(cgroup && cgroup->kill_all());
    EXPECT_TRUE(cgroup->wait_empty(10'000).value());
}

TEST(Meter, RunQueueDelayOutlivesItsTasks) {
    BareEnvironment mine("mine");
    Actor parent(&mine, [] {
        pin_to_first_cpu();
        const pid_t child = ::fork();
        if (child == 0) {
            burn_cpu_ms(300);
            ::_exit(0);
        }
        burn_cpu_ms(300);
        ::waitpid(child, nullptr, 0);
    });
    const std::uint64_t of_parent = run_delay_ns(parent.pid());
    EXPECT_GT(mine.state().run_delay_ns, of_parent + 100'000'000U);
}

TEST(Meter, TheHostsTasksAreNotCounted) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(nullptr,
                         [] {
                             burn_cpu_ms(100);
                             return 0;
                         }),
              0);
    EXPECT_EQ(mine.state().run_delay_ns, 0U);
    EXPECT_EQ(mine.state().sent.packets, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
