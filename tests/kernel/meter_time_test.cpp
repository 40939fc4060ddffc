// What comes of time: memory held times how long, throttling.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>

#include "tests/kernel/meter_support.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

// Comes and goes in small steps: an emulated machine may let nobody look for a tenth of a second.
int grow_and_shrink() {
    constexpr std::size_t kStep = 2 * kMebibyte;
    std::array<void*, 12> held{};
    for (int round = 0; round < 2; ++round) {
        for (void*& memory : held) {
            memory =
                ::mmap(nullptr, kStep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            std::memset(memory, 1, kStep);
            ::usleep(20'000);
        }
        ::usleep(800'000);
        for (void* memory : held) {
            ::munmap(memory, kStep);
            ::usleep(20'000);
        }
    }
    return 0;
}

// memory.current every 5 ms, or as often as the machine lets it, for `duration_ns`: in
// byte-milliseconds.
std::uint64_t sample_byte_ms(const BareEnvironment& environment, std::uint64_t duration_ns) {
    const std::uint64_t end_ns = now_ns() + duration_ns;
    std::uint64_t before_ns = now_ns();
    std::uint64_t before = cgroup_number(environment, "memory.current");
    std::uint64_t sum = 0;
    while (before_ns < end_ns) {
        ::usleep(5'000);
        const std::uint64_t asked_ns = now_ns();
        const std::uint64_t bytes = cgroup_number(environment, "memory.current");
        const std::uint64_t at_ns = now_ns();
        if (at_ns - asked_ns > 5'000'000)
            continue;  // of which moment it is nobody knows
        sum += (before + bytes) / 2 * (at_ns - before_ns) / 1'000'000;
        before = bytes;
        before_ns = at_ns;
    }
    return sum;
}

std::uint64_t byte_ms(const BareEnvironment& environment) {
    return read_meters(environment).state.counts.memory_page_ms * 4096;
}

TEST(Meter, MemoryOverTimeIsThatOfASampler) {
    BareEnvironment mine("mine");
    const std::uint64_t begin = byte_ms(mine);  // the first reading begins to add up
    Ongoing changer(&mine, grow_and_shrink);
    const std::uint64_t sampled = sample_byte_ms(mine, 3'500'000'000);
    const std::uint64_t metered = byte_ms(mine) - begin;
    EXPECT_EQ(changer.join(), 0);
    std::printf("the meter says %lu MiB ms, a sampler %lu\n", metered / kMebibyte,
                sampled / kMebibyte);
    EXPECT_GT(sampled, 20'000 * kMebibyte) << "the load did not hold what it should";
    EXPECT_LE(metered > sampled ? metered - sampled : sampled - metered, sampled / 100);
}

// Nobody reads, and no task of it runs: the kernel's own timer adds up.
TEST(Meter, MemoryOverTimeGoesOnWithNobodyAlive) {
    BareEnvironment mine("mine");
    Actor holder(&mine, [] {
        void* memory = ::mmap(nullptr, 16 * kMebibyte, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(memory, 1, 16 * kMebibyte);
    });
    (void)read_meters(mine);
    const std::uint64_t before = mine.state().counts.memory_page_ms;
    ::usleep(1'000'000);
    EXPECT_GT(mine.state().counts.memory_page_ms - before, 16 * kMebibyte / 4096 * 500);
}

TEST(Meter, ThrottlingIsThatOfCpuStat) {
    BareEnvironment mine("mine");
    std::ofstream(mine.cgroup() + "/cpu.max") << "20000 100000";
    Actor busy(&mine, [] { burn_cpu_ms(200); });
    bh_usage usage{};
    std::uint64_t before = 0;
    do {  // until no period ended between the two looks
        before = cgroup_number(mine, "cpu.stat", "nr_periods");
        usage = read_meters(mine).usage;
    } while (cgroup_number(mine, "cpu.stat", "nr_periods") != before);
    EXPECT_GT(usage.throttled_ns, 100'000'000U);
    EXPECT_EQ(usage.throttled_ns / 1000, cgroup_number(mine, "cpu.stat", "throttled_usec"));
    EXPECT_EQ(usage.periods, before);
    EXPECT_EQ(usage.throttled_periods, cgroup_number(mine, "cpu.stat", "nr_throttled"));
}

}  // namespace
}  // namespace bulkhead::tests
