// What a command that was started in a running environment used, and all that came of it: against
// what the kernel keeps for the cgroup.
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "loader/unique_fd.h"
#include "tests/kernel/exec_act.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/ram_disk.h"

namespace bulkhead::tests {
namespace {

PROVES(Exec, LastsUntilItsLastTaskIsGone, "bh_newtask", "bh_switch", "bh_task_alloc");
TEST(Exec, LastsUntilItsLastTaskIsGone) {
    BareEnvironment mine("mine");
    const Pipe end;
    Exec exec(mine, [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            ::setsid();
            if (::fork() == 0)
                end.wait();
            ::_exit(0);
        }
        return wait_for(child) == 0 ? 7 : 1;
    });
    EXPECT_EQ(exec.row().tasks, 1U);
    EXPECT_EQ(exec.run(), 7);
    for (int tries = 0; tries < 10'000 && exec.row().exited_ns == 0; ++tries)
        ::usleep(1000);
    const bh_exec detached = exec.row();
    EXPECT_NE(detached.exited_ns, 0U);
    EXPECT_EQ(WEXITSTATUS(detached.exit_status), 7);
    EXPECT_EQ(detached.ended_ns, 0U) << "one of it lives";
    end.go();
    const bh_exec row = exec.ended();
    EXPECT_EQ(row.tasks, 0U);
    EXPECT_EQ(row.forks, 2U);
    EXPECT_GE(row.tasks_peak, 2U);
    EXPECT_LE(row.tasks_peak, 3U);
    EXPECT_GE(row.ended_ns, row.exited_ns);
    EXPECT_EQ(WEXITSTATUS(row.exit_status), 7);
}

// What a task is charged, its cgroup is charged: the two sums are of the same numbers.
TEST(Exec, CpuTimeIsThatOfItsCgroup) {
    BareEnvironment mine("mine");
    Exec exec(mine, [] {
        std::thread([] { burn_cpu_ms(60); }).join();
        const pid_t child = ::fork();
        burn_cpu_ms(120);
        if (child == 0)
            ::_exit(0);
        return wait_for(child);
    });
    const std::uint64_t before_ns = read_meters(mine).usage.cpu_ns;
    EXPECT_EQ(exec.run(), 0);
    const bh_exec row = exec.ended();
    EXPECT_GT(row.counts.cpu_ns, 180'000'000U);
    EXPECT_EQ(row.counts.cpu_ns - exec.had_ns(), read_meters(mine).usage.cpu_ns - before_ns);
    EXPECT_EQ(row.forks, 2U) << "a thread and a process";
    EXPECT_GT(row.counts.cpu_user_sampled_ns, 0U);
    EXPECT_GT(row.counts.voluntary_switches, 0U);
    EXPECT_GT(row.counts.minor_faults, 0U);
    EXPECT_GT(row.largest_pages, 16U);
}

// Nothing else runs in the environment meanwhile: what is new there is the exec's.
PROVES(Exec, CountsWaitsByLengthAndWhoTookItsCpu, "bh_switch");
TEST(Exec, CountsWaitsByLengthAndWhoTookItsCpu) {
    BareEnvironment mine("mine");
    Exec exec(mine, [] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        ::sched_setaffinity(0, sizeof one, &one);
        const pid_t child = ::fork();
        burn_cpu_ms(150);
        if (child == 0)
            ::_exit(0);
        return wait_for(child);
    });
    const bh_counts before = mine.state().counts;
    EXPECT_EQ(exec.run(), 0);
    const bh_exec row = exec.ended();
    const bh_counts after = mine.state().counts;
    __u64 waits = 0;
    for (unsigned bucket = 0; bucket < BH_WAIT_BUCKETS; ++bucket) {
        EXPECT_EQ(row.waits[bucket], after.waits[bucket] - before.waits[bucket]) << bucket;
        waits += row.waits[bucket];
    }
    EXPECT_GT(waits, 0U);
    EXPECT_GT(row.preempted[BH_PREEMPTED_BY_ITSELF], 0U);
    for (unsigned by = 0; by < BH_PREEMPTOR_COUNT; ++by)
        EXPECT_EQ(row.preempted[by], after.preempted[by] - before.preempted[by]) << by;
}

// By ticks, as the kernel tells user time from that of niced tasks.
PROVES(Exec, CountsTimeAtARaisedNiceValue, "bh_setnice");
TEST(Exec, CountsTimeAtARaisedNiceValue) {
    BareEnvironment mine("mine");
    Exec plain(mine, [] {
        burn_cpu_ms(100);
        return 0;
    });
    const Pipe is_nice;
    const Pipe go_on;
    Exec exec(mine, [&] {
        burn_cpu_ms(200);
        if (::setpriority(PRIO_PROCESS, 0, 10) != 0)
            return errno;
        burn_cpu_ms(600);
        is_nice.go();
        go_on.wait();
        burn_cpu_ms(800);
        return 0;
    });
    EXPECT_EQ(plain.run(), 0);
    EXPECT_EQ(plain.ended().cpu_nice_sampled_ns, 0U);
    exec.go();
    is_nice.wait();
    EXPECT_EQ(::setpriority(PRIO_PROCESS, static_cast<id_t>(exec.pid()), 0), 0)
        << "only the host may lower it again";
    go_on.go();
    EXPECT_EQ(exec.join(), 0);
    const bh_exec row = exec.ended();
    // Half of it was: ticks come late in a guest.
    EXPECT_GT(8 * row.cpu_nice_sampled_ns, row.counts.cpu_user_sampled_ns);
    EXPECT_LT(8 * row.cpu_nice_sampled_ns, 7 * row.counts.cpu_user_sampled_ns);
}

TEST(Exec, CountsWhatItMadeADiskReadAndWrite) {
    const RamDisk disk;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    constexpr std::size_t kBytes = kBlocks * kBlock, kMetadata = 1 << 20;
    Exec idle(mine, [] { return 0; });
    Exec exec(mine, [] {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(write_and_read_directly());
        return wait_for(child);
    });
    EXPECT_EQ(exec.run(), 0);
    const bh_exec row = exec.ended();
    EXPECT_GE(row.counts.read_bytes, kBytes);
    EXPECT_LT(row.counts.read_bytes, kBytes + kMetadata);
    EXPECT_GE(row.counts.written_bytes, kBytes);
    EXPECT_LT(row.counts.written_bytes, kBytes + kMetadata);
    EXPECT_EQ(idle.run(), 0);
    EXPECT_EQ(idle.ended().counts.written_bytes, 0U) << "of another";
}

PROVES(Exec, IsReadWhileItRuns, "bh_exec_pass");
TEST(Exec, IsReadWhileItRuns) {
    BareEnvironment mine("mine");
    const Pipe end;
    Exec exec(mine, [&] {
        burn_cpu_ms(150);
        end.wait();
        burn_cpu_ms(150);
        return 0;
    });
    const std::uint64_t before_ns = read_meters(mine).usage.cpu_ns;
    exec.go();
    for (int tries = 0; tries < 20'000 && on_cpu_ns(exec.pid()) < 150'000'000; ++tries)
        ::usleep(1000);
    for (int tries = 0; tries < 20'000 && !is_asleep(exec.pid()); ++tries)
        ::usleep(1000);
    const bh_exec running = exec.settled();
    EXPECT_EQ(running.ended_ns, 0U);
    EXPECT_EQ(running.counts.cpu_ns, on_cpu_ns(exec.pid()));
    EXPECT_EQ(exec.settled().counts.cpu_ns, running.counts.cpu_ns) << "once more adds nothing";
    end.go();
    EXPECT_EQ(exec.join(), 0);
    const bh_exec row = exec.ended();
    EXPECT_EQ(row.counts.cpu_ns - exec.had_ns(), read_meters(mine).usage.cpu_ns - before_ns);
}

// Acts of others in the environment are not its own.
PROVES(Exec, CountsItsOwnActs, "bh_exec", "bh_task_kill", "bh_sock_connect");
TEST(Exec, CountsItsOwnActs) {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    Actor target(nullptr);
    const auto signal_host = [&] { return outcome(::kill(target.pid(), 0)); };
    const auto connect_nowhere = [] {
        const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(1);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return outcome(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to));
    };
    Exec exec(mine, [&] {
        for (int times = 0; times < 2; ++times)
            if (signal_host() != EPERM)
                return 1;
        if (connect_nowhere() != ECONNREFUSED)
            return 2;
        ::execl("/bin/true", "true", nullptr);
        return errno;
    });
    EXPECT_EQ(Actor::run(&mine, signal_host), EPERM);
    EXPECT_EQ(Actor::run(&mine, connect_nowhere), ECONNREFUSED);
    EXPECT_EQ(exec.run(), 0);
    const bh_exec row = exec.ended();
    EXPECT_EQ(row.refused[BH_CLASS_SIGNAL], 2U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_SIGNAL], 3U);
    EXPECT_EQ(row.connects[BH_FAMILY_IPV4], 1U);
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV4], 2U);
    EXPECT_EQ(row.execs, 1U);
    mine.set_mode(BH_MODE_AUDIT);
    Exec audited(mine, signal_host);
    EXPECT_EQ(audited.run(), 0);
    EXPECT_EQ(audited.ended().audited[BH_CLASS_SIGNAL], 1U);
    EXPECT_EQ(audited.row().refused[BH_CLASS_SIGNAL], 0U);
}

TEST(Exec, IsNotHeldUpByForksThatFailed) {
    BareEnvironment mine("mine");
    std::ofstream(mine.cgroup() + "/pids.max") << 1;
    Exec exec(mine, [] {
        int failed = 0;
        for (int i = 0; i < 3; ++i)
            failed += ::fork() < 0 && errno == EAGAIN ? 1 : 0;
        return failed;
    });
    EXPECT_EQ(exec.run(), 3);
    const bh_exec row = exec.ended();
    EXPECT_EQ(row.forks, 0U);
    EXPECT_EQ(row.tasks_peak, 1U);
}

// As wait(2) has it, also where the first thread was gone before.
TEST(Exec, KeepsTheStatusOfItsFirstProcess) {
    BareEnvironment mine("mine");
    Exec threads(mine, [] {
        std::thread([] {
            ::usleep(1000);
            ::_exit(9);
        }).detach();
        ::syscall(SYS_exit, 3);
        return 1;
    });
    EXPECT_EQ(threads.run(), 9);
    EXPECT_EQ(WEXITSTATUS(threads.ended().exit_status), 9);
    Exec killed(mine, [] { return ::pause(); });
    killed.go();
    ::kill(killed.pid(), SIGKILL);
    EXPECT_EQ(WTERMSIG(killed.ended().exit_status), SIGKILL);
}

TEST(Exec, IsNotOfWhoHasOnlyTheLabel) {
    BareEnvironment mine("mine");
    Exec exec(mine, [] { return 0; });
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const pid_t child = ::fork();
                             if (child == 0)
                                 ::_exit(0);
                             return wait_for(child);
                         }),
              0);
    EXPECT_EQ(exec.row().forks, 0U);
    EXPECT_EQ(exec.run(), 0);
    EXPECT_EQ(exec.ended().forks, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
