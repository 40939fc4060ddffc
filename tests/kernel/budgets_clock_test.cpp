// Budgets of what is used without an act: CPU time, memory over time, and time. The kernel's timer
// finds them used up.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "loader/pins.h"
#include "tests/kernel/budgeted.h"
#include "tests/kernel/meter_support.h"

namespace bulkhead::tests {
namespace {

constexpr __u64 kMicroseconds = 1'000'000;
constexpr __u64 kSecondNs = 1'000'000'000;
// A step of the clock on each CPU; in a guest under emulation the timer comes when it can.
constexpr __u64 kStepUs = 100'000;
constexpr __u64 kLateSteps = 20;

int fork_one() {
    int error = 0;
    return started(1, error) == 1 ? 0 : error;
}

// Nothing is executed in these environments, so that a reading begins their clock.
class Clocked : public Budgeted {
public:
    Clocked() { (void)read_meters(*this); }

    void expect_closed_by(bh_budget_kind kind) {
        expect_exceeded(kind);
        EXPECT_EQ(Actor::run(this, fork_one), EAGAIN);
        const bh_refusal row = last_refusal_by(BH_HOOK_task_alloc);
        EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
        EXPECT_EQ(row.object[0], kind);
        EXPECT_EQ(told_exceeded().hook, BH_HOOK_timer);
        EXPECT_GT(told_exceeded().object[1], told_exceeded().object[2]);
        clear(kind);
        EXPECT_EQ(Actor::run(this, fork_one), 0);
    }
};

// A row of bh_clocks, which is the programs' own.
struct Clock {
    __u64 memcg;
    __u64 stepped_ns;
    __u64 pages;
    __u64 switched_ns;
    __u32 serial;
    __u32 pad;
};

__u64 stepped_ns(const Budgeted& mine) {
    const auto clocks = loader::open_pinned_map<__u32, Clock>("bh_clocks");
    const auto row = clocks ? clocks->find(mine.label().slot) : std::nullopt;
    EXPECT_TRUE(row && *row && (*row)->serial == mine.label().serial);
    return row && *row ? (*row)->stepped_ns : 0;
}

// Waits until it is used up. Returns when the kernel's clock had stepped and not found it so, by
// its own times; the newest step that was seen may be the one that does. Nobody but that clock may
// take a step: nothing runs in the environment, and nobody reads its usage.
__u64 last_open_ns(const Budgeted& mine, bh_budget_kind kind) {
    __u64 before_ns = 0;
    __u64 newest_ns = 0;
    for (int looks = 0; looks < 20'000; ++looks) {
        const __u64 now_ns = stepped_ns(mine);
        if (mine.budget(kind).exceeded != 0)
            break;
        if (now_ns != newest_ns)
            before_ns = std::exchange(newest_ns, now_ns);
        ::usleep(1'000);
    }
    EXPECT_NE(before_ns, 0U) << "it was used up at once";
    return before_ns;
}

// What the kernel charged is what is used, to a tick.
TEST(Budgets, OfCpuTimeCloseWhenItIsUsedUp) {
    Clocked mine;
    constexpr __u64 kAmountUs = 200'000;
    mine.grant_budget(BH_BUDGET_CPU, kAmountUs);
    Ongoing burning(&mine, [] {
        burn_cpu_ms(60'000);
        return 0;
    });
    mine.expect_exceeded(BH_BUDGET_CPU);
    const bh_refusal told = mine.told_exceeded();
    const auto cpus = static_cast<__u64>(std::thread::hardware_concurrency());
    EXPECT_LE(told.object[1], kAmountUs + kLateSteps * kStepUs * cpus) << "the overshoot";
    EXPECT_GE(cgroup_number(mine, "cpu.stat", "usage_usec"), told.object[1]);
    mine.expect_closed_by(BH_BUDGET_CPU);
}

TEST(Budgets, OfCpuTimeCountWhatIsUsedFromThenOn) {
    Clocked mine;
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             burn_cpu_ms(300);
                             return 0;
                         }),
              0);
    mine.grant_budget(BH_BUDGET_CPU, 3600 * kMicroseconds);
    const __u64 before = cgroup_number(mine, "cpu.stat", "usage_usec");
    const Ongoing burning(&mine, [] {
        burn_cpu_ms(60'000);
        return 0;
    });
    for (int looks = 0; looks < 1000 && mine.used(BH_BUDGET_CPU) == 0; ++looks)
        ::usleep(20'000);
    const __u64 used = mine.used(BH_BUDGET_CPU);
    EXPECT_GT(used, 0U);
    EXPECT_LE(used, cgroup_number(mine, "cpu.stat", "usage_usec") - before)
        << "what was used before counts";
}

TEST(Budgets, OfMemoryCloseWhenItIsUsedUp) {
    Clocked mine;
    constexpr std::size_t kBytes = 8U << 20;
    const Actor holder(&mine, [] {
        void* const held =
            ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(held, 1, kBytes);
    });
    mine.grant_budget(BH_BUDGET_MEMORY, kBytes / 4096);  // for less than a second
    const __u64 open_ns = last_open_ns(mine, BH_BUDGET_MEMORY);
    const bh_refusal told = mine.told_exceeded();
    const __u64 pages = cgroup_number(mine, "memory.peak") / 4096;
    EXPECT_LE(told.object[1] - told.object[2], pages * (told.time_ns - open_ns) / kSecondNs + 1)
        << "the overshoot: what is held, times the clock's last steps";
    mine.expect_closed_by(BH_BUDGET_MEMORY);
}

TEST(Budgets, OfTimeCloseWhenItIsOver) {
    Clocked mine;
    mine.grant_budget(BH_BUDGET_WALL, 400);
    const __u64 open_ns = last_open_ns(mine, BH_BUDGET_WALL);
    const bh_refusal told = mine.told_exceeded();
    EXPECT_LE(told.object[1] - told.object[2], (told.time_ns - open_ns) / 1'000'000 + 1)
        << "the overshoot: the clock's last steps";
    mine.expect_closed_by(BH_BUDGET_WALL);
}

TEST(Budgets, OfTimeOnlyRecordWhereTheActionIsEvent) {
    Clocked mine;
    mine.grant_budget(BH_BUDGET_WALL, 1, BH_ON_EVENT);
    mine.expect_exceeded(BH_BUDGET_WALL);
    EXPECT_EQ(Actor::run(&mine, fork_one), 0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 0U);
}

}  // namespace
}  // namespace bulkhead::tests
