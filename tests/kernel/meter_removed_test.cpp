// What an environment used is known also where somebody removes its cgroup before anybody read it.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "loader/environments.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/ram_disk.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kMemory = 16 << 20;

// CPU time as a process knows it of itself, for who waits for its end.
class OwnTime {
public:
    OwnTime()
        : ns_(static_cast<std::uint64_t*>(
              ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    OwnTime(const OwnTime&) = delete;
    OwnTime& operator=(const OwnTime&) = delete;
    ~OwnTime() { ::munmap(ns_, 4096); }

    // What came before is not of the environment.
    void begin() const { ns_[0] = now(); }
    void end() const { ns_[1] = now(); }
    [[nodiscard]] std::uint64_t ns() const { return ns_[1] - ns_[0]; }

private:
    static std::uint64_t now() {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(used.tv_nsec);
    }

    std::uint64_t* ns_;
};

// In small pages, each of which is a fault.
int use_all(const OwnTime& time) {
    time.begin();
    void* memory =
        ::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::madvise(memory, kMemory, MADV_NOHUGEPAGE);
    std::memset(memory, 1, kMemory);
    for (int i = 0; i < 3; ++i)
        if (const pid_t child = ::fork(); child == 0)
            ::_exit(0);
        else if (::waitpid(child, nullptr, 0) != child)
            return errno;
    if (const int error = write_and_read_directly(); error != 0)
        return error;
    burn_cpu_ms(300);
    time.end();
    return 0;
}

// As an administrator does it. Who was waited for may still be on its way out.
int remove_by_hand(const BareEnvironment& environment) {
    for (int tries = 0; tries < 1000; ++tries) {
        if (::rmdir(environment.cgroup().c_str()) == 0)
            return 0;
        if (errno != EBUSY)
            break;
        ::usleep(10'000);
    }
    return errno;
}

loader::MeterReading last_of(const BareEnvironment& environment) {
    const auto environments = loader::Environments::open();
    const auto last = loader::read_last(*environments, environment.label());
    EXPECT_TRUE(last) << last.error().message();
    return last ? *last : loader::MeterReading{};
}

PROVES(MeterRemoved, HasWhatNobodyRead, "bh_removing", "bh_removed");
TEST(MeterRemoved, HasWhatNobodyRead) {
    const RamDisk disk;
    const OwnTime time;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    EXPECT_EQ(Actor::run(&mine, [&] { return use_all(time); }), 0);
    ASSERT_EQ(remove_by_hand(mine), 0);
    const auto last = last_of(mine);
    EXPECT_NE(last.usage.removed_ns, 0U);
    EXPECT_EQ(last.usage.read_ns, last.usage.removed_ns);
    EXPECT_GE(last.usage.cpu_ns, time.ns());
    EXPECT_LE(last.usage.cpu_ns, 2 * time.ns());
    EXPECT_EQ(last.usage.cpu_user_ns + last.usage.cpu_system_ns, last.usage.cpu_ns);
    EXPECT_GE(last.usage.memory_peak_bytes, kMemory);
    EXPECT_GE(last.usage.faults, kMemory / 4096);
    EXPECT_GE(last.usage.processes_peak, 2U);
    EXPECT_EQ(last.usage.processes, 0U);
    EXPECT_GE(last.usage.io_bytes[BH_IO_READ], kBlocks * kBlock);
    EXPECT_GE(last.usage.io_bytes[BH_IO_WRITE], kBlocks * kBlock);
    EXPECT_GE(last.usage.io_operations[BH_IO_READ], static_cast<std::uint64_t>(kBlocks));
    EXPECT_GE(last.usage.io_operations[BH_IO_WRITE], static_cast<std::uint64_t>(kBlocks));
    EXPECT_EQ(last.state.counts.forks, 3U);
}

// Looked at before, so that both are of the same counts.
TEST(MeterRemoved, IsWhatTheFilesSaidBefore) {
    const RamDisk disk;
    const OwnTime time;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    EXPECT_EQ(Actor::run(&mine, [&] { return use_all(time); }), 0);
    for (int tries = 0; cgroup_number(mine, "pids.current") != 0 && tries < 1000; ++tries)
        ::usleep(10'000);
    const auto cpu_us = cgroup_number(mine, "cpu.stat", "usage_usec");
    const auto faults = cgroup_number(mine, "memory.stat", "pgfault");
    const auto memory_peak = cgroup_number(mine, "memory.peak");
    const auto read_bytes = io_number(mine, "rbytes");
    const auto written_bytes = io_number(mine, "wbytes");
    const auto reads = io_number(mine, "rios");
    const auto writes = io_number(mine, "wios");
    ASSERT_EQ(remove_by_hand(mine), 0);
    const auto usage = last_of(mine).usage;
    EXPECT_EQ(usage.cpu_ns / 1000, cpu_us);
    EXPECT_EQ(usage.faults, faults);
    EXPECT_EQ(usage.memory_peak_bytes, memory_peak);
    EXPECT_EQ(usage.io_bytes[BH_IO_READ], read_bytes);
    EXPECT_EQ(usage.io_bytes[BH_IO_WRITE], written_bytes);
    EXPECT_EQ(usage.io_operations[BH_IO_READ], reads);
    EXPECT_EQ(usage.io_operations[BH_IO_WRITE], writes);
}

TEST(MeterRemoved, NotWhereItCouldNotBeRemoved) {
    BareEnvironment mine("mine");
    Actor busy(&mine, [] { burn_cpu_ms(100); });
    EXPECT_EQ(::rmdir(mine.cgroup().c_str()), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(last_of(mine).usage.removed_ns, 0U);
    EXPECT_GE(read_meters(mine).usage.cpu_ns, 90'000'000U);
    EXPECT_EQ(last_of(mine).usage.removed_ns, 0U);
}

// That of another environment goes on, so that the kernel's timer has come by.
TEST(MeterRemoved, HoldsNoMemoryAnyMore) {
    const RamDisk disk;
    BareEnvironment other("other");
    const Actor holder(&other, [] {
        void* memory =
            ::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(memory, 1, kMemory);
    });
    read_meters(other);  // begins to add up
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    // Its file stays in memory.
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const UniqueFd file(::open((std::string(kRamDisk) + "/kept").c_str(),
                                                        O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
                             const std::string data(kMemory / 2, 'x');
                             return ::write(file.get(), data.data(), data.size()) ==
                                            static_cast<ssize_t>(data.size())
                                        ? 0
                                        : EIO;
                         }),
              0);
    read_meters(mine);
    ASSERT_EQ(remove_by_hand(mine), 0);
    EXPECT_GE(last_of(mine).usage.memory_bytes, kMemory / 4);
    const auto removed = last_of(mine).state.counts.memory_page_ms;
    const auto before = last_of(other).state.counts.memory_page_ms;
    // Two steps and a bit, of which each is a tenth of a second.
    const auto enough = before + 300 * kMemory / 4096;
    for (int tries = 0; last_of(other).state.counts.memory_page_ms < enough && tries < 1000;
         ++tries)
        ::usleep(10'000);
    EXPECT_GE(last_of(other).state.counts.memory_page_ms, enough);
    EXPECT_EQ(last_of(mine).state.counts.memory_page_ms, removed);
}

}  // namespace
}  // namespace bulkhead::tests
