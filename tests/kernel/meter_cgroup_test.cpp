// What the pass over the cgroups reads, against the kernel's own files.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

// Anonymous memory, touched, of the calling process.
void hold_memory(std::size_t bytes) {
    void* memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(memory, 1, bytes);
}

// A file on tmpfs: page cache and shared memory at once.
void hold_file(std::size_t bytes) {
    const int file = ::memfd_create("held", MFD_CLOEXEC);
    const std::string data(bytes, 'x');
    EXPECT_EQ(::write(file, data.data(), data.size()), static_cast<ssize_t>(bytes));
}

std::uint64_t difference(std::uint64_t meter, std::uint64_t kernel, const char* what) {
    std::printf("%s: the meter says %lu, the kernel %lu\n", what, meter, kernel);
    return meter > kernel ? meter - kernel : kernel - meter;
}

// Within half a per cent.
void expect_near(std::uint64_t meter, std::uint64_t kernel, const char* what) {
    EXPECT_LE(difference(meter, kernel, what) * 200, kernel) << what;
}

// Within 0.1 % or a millisecond.
void expect_cpu_us(std::uint64_t meter, std::uint64_t kernel, const char* what) {
    EXPECT_LE(difference(meter, kernel, what), std::max<std::uint64_t>(kernel / 1000, 1000))
        << what;
}

// Who has done its work has yet to go to sleep: between two readings of the kernel that are the
// same.
bh_usage read_when_asleep(BareEnvironment& environment) {
    for (int round = 0;; ++round) {
        const std::uint64_t before = cgroup_number(environment, "cpu.stat", "usage_usec");
        const bh_usage usage = read_meters(environment).usage;
        if (cgroup_number(environment, "cpu.stat", "usage_usec") == before || round == 100)
            return usage;
    }
}

PROVES(Meter, CpuTimeIsThatOfCpuStat, "bh_meter");
TEST(Meter, CpuTimeIsThatOfCpuStat) {
    BareEnvironment mine("mine");
    Actor busy(&mine, [] { burn_cpu_ms(2000); });
    const bh_usage usage = read_when_asleep(mine);
    EXPECT_GE(usage.cpu_ns, 1'900'000'000U) << "the load began before it was in the cgroup";
    expect_cpu_us(usage.cpu_ns / 1000, cgroup_number(mine, "cpu.stat", "usage_usec"), "total");
    expect_cpu_us(usage.cpu_user_ns / 1000, cgroup_number(mine, "cpu.stat", "user_usec"), "user");
    EXPECT_EQ(usage.cpu_user_ns + usage.cpu_system_ns, usage.cpu_ns);
}

TEST(Meter, MemoryIsThatOfTheCgroupWhenQuiet) {
    BareEnvironment mine("mine");
    Actor holder(&mine, [] { hold_memory(64 * kMebibyte); });
    const auto usage = read_meters(mine).usage;
    EXPECT_GE(usage.memory_bytes, 64 * kMebibyte);
    EXPECT_EQ(usage.memory_bytes, cgroup_number(mine, "memory.current"));
    EXPECT_EQ(usage.memory_peak_bytes, cgroup_number(mine, "memory.peak"));
    EXPECT_EQ(usage.swap_bytes, cgroup_number(mine, "memory.swap.current"));
}

// The kernel folds its per-processor statistics together every two seconds, or when there is much
// to fold: quiet is when two readings a moment apart say the same of files.
bh_usage read_when_quiet(BareEnvironment& environment) {
    bh_usage before = read_meters(environment).usage;
    for (int round = 0; round < 100; ++round) {
        ::usleep(100'000);
        const bh_usage now = read_meters(environment).usage;
        const bool same = now.anon_bytes == before.anon_bytes &&
                          now.file_bytes == before.file_bytes &&
                          now.anon_bytes == cgroup_number(environment, "memory.stat", "anon") &&
                          now.kernel_bytes == cgroup_number(environment, "memory.stat", "kernel");
        if (same && now.shmem_bytes >= 16 * kMebibyte)
            return now;
        before = now;
    }
    return before;
}

TEST(Meter, MemoryByKindIsThatOfMemoryStat) {
    BareEnvironment mine("mine");
    Actor holder(&mine, [] {
        hold_memory(32 * kMebibyte);
        hold_file(16 * kMebibyte);
    });
    const auto usage = read_when_quiet(mine);
    EXPECT_GE(usage.anon_bytes, 32 * kMebibyte);
    EXPECT_GE(usage.shmem_bytes, 16 * kMebibyte);
    EXPECT_GT(usage.kernel_bytes, 0U);
    EXPECT_EQ(usage.anon_bytes, cgroup_number(mine, "memory.stat", "anon"));
    EXPECT_EQ(usage.file_bytes, cgroup_number(mine, "memory.stat", "file"));
    EXPECT_EQ(usage.shmem_bytes, cgroup_number(mine, "memory.stat", "shmem"));
    EXPECT_EQ(usage.kernel_bytes, cgroup_number(mine, "memory.stat", "kernel"));
    EXPECT_EQ(usage.slab_bytes, cgroup_number(mine, "memory.stat", "slab"));
    EXPECT_EQ(usage.sock_bytes, cgroup_number(mine, "memory.stat", "sock"));
}

TEST(Meter, AnOutOfMemoryKillIsCounted) {
    BareEnvironment mine("mine");
    EXPECT_EQ(read_meters(mine).usage.oom_kills, 0U);
    std::ofstream(mine.cgroup() + "/memory.max") << 16 * kMebibyte;
    std::ofstream(mine.cgroup() + "/memory.swap.max") << 0;
    {
        Actor parent(&mine, [] {
            const pid_t victim = ::fork();
            if (victim == 0) {
                hold_memory(64 * kMebibyte);
                ::_exit(0);
            }
            int status = 0;
            ::waitpid(victim, &status, 0);
            EXPECT_TRUE(WIFSIGNALED(status));
        });
        const auto usage = read_meters(mine).usage;
        EXPECT_EQ(usage.oom_kills, 1U);
        EXPECT_EQ(usage.oom_kills, cgroup_number(mine, "memory.events", "oom_kill"));
    }
}

TEST(Meter, ProcessesAreThoseOfThePidsController) {
    BareEnvironment mine("mine");
    Actor first(&mine);
    {
        Actor second(&mine);
        Actor third(&mine);
        EXPECT_EQ(read_meters(mine).usage.processes, 3U);
    }
    const auto usage = read_meters(mine).usage;
    EXPECT_EQ(usage.processes, 1U);
    EXPECT_EQ(usage.processes, cgroup_number(mine, "pids.current"));
    EXPECT_EQ(usage.processes_peak, 3U);
}

TEST(Meter, PressureIsThatOfTheCgroup) {
    BareEnvironment mine("mine");
    std::ofstream(mine.cgroup() + "/cpu.max") << "20000 100000";
    Actor first(&mine, [] { burn_cpu_ms(300); });
    // The kernel averages every two seconds, or when the file is read.
    const std::string text = cgroup_text(mine, "cpu.pressure");
    const auto usage = read_meters(mine).usage;
    const std::string some = text.substr(0, text.find('\n'));
    EXPECT_GT(usage.pressure_some_ns[BH_PRESSURE_CPU], 100'000'000U);
    expect_near(usage.pressure_some_ns[BH_PRESSURE_CPU] / 1000,
                std::stoull(some.substr(some.find("total=") + 6)), "cpu some");
}

TEST(Meter, OnePassReadsEveryEnvironment) {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    Actor in_mine(&mine);
    Actor in_other(&other, [] { hold_memory(8 * kMebibyte); });
    EXPECT_LT(read_meters(mine).usage.memory_bytes, 8 * kMebibyte);
    EXPECT_GT(read_meters(other).usage.memory_bytes, 8 * kMebibyte);
    EXPECT_EQ(read_meters(other).label.serial, other.label().serial);
}

TEST(Meter, WhatNestedCgroupsUseIsTheEnvironments) {
    BareEnvironment mine("mine");
    const std::string nested = mine.cgroup() + "/nested";
    ASSERT_EQ(::mkdir(nested.c_str(), 0755), 0);
    {
        Actor busy(&mine, [&] {
            std::ofstream(nested + "/cgroup.procs") << ::getpid();
            burn_cpu_ms(300);
        });
        EXPECT_GE(read_meters(mine).usage.cpu_ns, 250'000'000U);
    }
    EXPECT_EQ(::rmdir(nested.c_str()), 0);
}

}  // namespace
}  // namespace bulkhead::tests
