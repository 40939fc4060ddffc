// Run-queue delay, against what the kernel keeps for each task.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <numeric>

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
    EXPECT_EQ(read_meters(mine).state.counts.run_delay_ns, sum);
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
    EXPECT_GT(mine.state().counts.run_delay_ns, of_parent + 100'000'000U);
}

std::uint64_t sum_of_waits(const bh_counts& counts) {
    return std::accumulate(std::begin(counts.waits), std::end(counts.waits), std::uint64_t{0});
}

// The number after `key` of /proc/PID/status.
std::uint64_t status_number(pid_t pid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key))
            return std::stoull(line.substr(line.find(':') + 1));
    ADD_FAILURE() << "no " << key;
    return 0;
}

TEST(Meter, WaitsAreCountedByLength) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             pin_to_first_cpu();
                             const pid_t child = ::fork();
                             burn_cpu_ms(200);
                             if (child == 0)
                                 ::_exit(0);
                             return ::waitpid(child, nullptr, 0) == child ? 0 : errno;
                         }),
              0);
    const bh_counts counts = mine.state().counts;
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    for (unsigned i = 0; i < BH_WAIT_BUCKETS; ++i) {
        least += counts.waits[i] * (i == 0 ? 0 : BH_WAIT_BOUND_NS(i - 1));
        most += counts.waits[i] * BH_WAIT_BOUND_NS(i);
    }
    EXPECT_GT(sum_of_waits(counts), 10U);
    EXPECT_GE(counts.run_delay_ns, least);
    EXPECT_LE(counts.run_delay_ns, most);
}

// Two of the environment take turns on one CPU, so each takes it from the other.
TEST(Meter, InvoluntarySwitchesAreThoseOfTheKernel) {
    BareEnvironment mine("mine");
    Actor first(&mine, [] {
        pin_to_first_cpu();
        if (::fork() == 0) {
            burn_cpu_ms(300);
            ::pause();
        }
        burn_cpu_ms(300);
    });
    ::usleep(1'000'000);
    std::uint64_t involuntary = 0;
    std::ifstream tasks(mine.cgroup() + "/cgroup.procs");
    for (pid_t pid = 0; tasks >> pid;)
        involuntary += status_number(pid, "nonvoluntary_ctxt_switches");
    const bh_counts counts = mine.state().counts;
    EXPECT_GT(counts.preempted[BH_PREEMPTED_BY_ITSELF], 10U);
    EXPECT_EQ(counts.preempted[BH_PREEMPTED_BY_ITSELF] + counts.preempted[BH_PREEMPTED_BY_OTHERS] +
                  counts.preempted[BH_PREEMPTED_BY_HOST],
              involuntary);
    const auto cgroup = runtime::Cgroup::open("mine");
    ASSERT_TRUE(cgroup && cgroup->kill_all());
    EXPECT_TRUE(cgroup->wait_empty(10'000).value());
}

TEST(Meter, SwitchesNameWhoTookTheCpu) {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    const auto busy = [] {
        pin_to_first_cpu();
        burn_cpu_ms(300);
        return 0;
    };
    Ongoing theirs(&other, busy);
    Ongoing hosts(nullptr, busy);
    EXPECT_EQ(Actor::run(&mine, busy), 0);
    EXPECT_EQ(theirs.join(), 0);
    EXPECT_EQ(hosts.join(), 0);
    EXPECT_GT(mine.state().counts.preempted[BH_PREEMPTED_BY_OTHERS], 5U);
    EXPECT_GT(mine.state().counts.preempted[BH_PREEMPTED_BY_HOST], 5U);
    EXPECT_GT(other.state().counts.preempted[BH_PREEMPTED_BY_OTHERS], 5U);
}

TEST(Meter, TheHostsTasksAreNotCounted) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(nullptr,
                         [] {
                             burn_cpu_ms(100);
                             return 0;
                         }),
              0);
    EXPECT_EQ(mine.state().counts.run_delay_ns, 0U);
    EXPECT_EQ(mine.state().counts.traffic[BH_SENT].packets, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
