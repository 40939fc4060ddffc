// Budgets of what is used without an act: CPU time, memory over time, and time. The kernel's timer
// finds them used up.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "tests/kernel/budgeted.h"
#include "tests/kernel/meter_support.h"

namespace bulkhead::tests {
namespace {

constexpr __u64 kMicroseconds = 1'000'000;
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
    constexpr __u64 kPageSeconds = 256;
    mine.grant_budget(BH_BUDGET_MEMORY, kPageSeconds);
    const Actor holder(&mine, [] {
        constexpr std::size_t kBytes = 32U << 20;
        void* const held =
            ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(held, 1, kBytes);
    });
    mine.expect_closed_by(BH_BUDGET_MEMORY);
}

TEST(Budgets, OfTimeCloseWhenItIsOver) {
    Clocked mine;
    mine.grant_budget(BH_BUDGET_WALL, 1);
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
