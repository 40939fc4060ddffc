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
#include <string>

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

// What follows `key` in /proc/PID/status.
std::string status_text(pid_t pid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key))
            return line.substr(line.find_first_not_of('\t', key.size() + 1));
    ADD_FAILURE() << "no " << key;
    return "0";
}

// As the kernel counts those of the processes of an environment.
std::uint64_t involuntary_switches(const BareEnvironment& environment) {
    std::uint64_t sum = 0;
    std::ifstream tasks(environment.cgroup() + "/cgroup.procs");
    for (pid_t pid = 0; tasks >> pid;)
        sum += std::stoull(status_text(pid, "nonvoluntary_ctxt_switches"));
    return sum;
}

std::uint64_t preempted(BareEnvironment& environment) {
    const bh_counts counts = environment.state().counts;
    return std::accumulate(std::begin(counts.preempted), std::end(counts.preempted), 0ULL);
}

// Whether there are `count` processes, all of which wait for something.
bool is_at_rest(const BareEnvironment& environment, int count) {
    int resting = 0;
    std::ifstream tasks(environment.cgroup() + "/cgroup.procs");
    for (pid_t pid = 0; tasks >> pid;)
        resting += status_text(pid, "State").starts_with("S") ? 1 : -count;
    return resting == count;
}

void wait_for_rest(const BareEnvironment& environment, int count) {
    for (int tries = 0; tries < 20'000 && !is_at_rest(environment, count); ++tries)
        ::usleep(1000);
    EXPECT_TRUE(is_at_rest(environment, count));
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

// Two of the environment take turns on one CPU, so each takes it from the other. The first one
// has a past outside.
TEST(Meter, InvoluntarySwitchesAreThoseOfTheKernel) {
    BareEnvironment mine("mine");
    int go[2];
    ASSERT_EQ(::pipe(go), 0);
    Ongoing first(&mine, [&] {
        char begin = 0;
        if (::read(go[0], &begin, 1) != 1)
            return errno;
        pin_to_first_cpu();
        ::fork();
        burn_cpu_ms(300);
        return ::pause();
    });
    wait_for_rest(mine, 1);
    const std::uint64_t kernel_before = involuntary_switches(mine);
    const std::uint64_t meter_before = preempted(mine);
    EXPECT_EQ(::write(go[1], "", 1), 1);
    wait_for_rest(mine, 2);
    EXPECT_EQ(preempted(mine) - meter_before, involuntary_switches(mine) - kernel_before);
    EXPECT_GT(mine.state().counts.preempted[BH_PREEMPTED_BY_ITSELF], 10U);
    ::close(go[0]);
    ::close(go[1]);
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
    EXPECT_EQ(mine.state().counts.traffic[BH_SENT][BH_FAMILY_IPV4].packets, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
