// Beancounters of memory and swap: the kernel bounds both, the programs tell of it.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/kernel/bounded.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/swap_area.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;
constexpr __u64 kPage = 4096;

void hold_memory(std::size_t bytes) {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(memory, 1, bytes);
}

// Nothing is executed in these environments, so that a reading begins their clock.
class Paged : public Bounded {
public:
    Paged() { (void)read_meters(*this); }

    void limit(const std::string& file, const std::string& bytes) const {
        std::ofstream(cgroup() + "/" + file) << bytes;
    }

    // Waits until the kernel's clock has looked at it under bounds that are set now.
    void expect_looked_at(bh_beancounter_id id) const {
        for (int looks = 0; looks < 1000 && counter(id).held == 0; ++looks)
            ::usleep(20'000);
        EXPECT_NE(counter(id).held, 0U) << loader::beancounter_name(id);
    }
};

// Of a child of an act, as the host sees it.
struct Victim {
    pid_t pid;
    int status;
};

// A child of the environment that wants `bytes`, and what became of it.
Victim wants(BareEnvironment& environment, std::size_t bytes) {
    void* const shared =
        ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* const victim = static_cast<Victim*>(shared);
    EXPECT_EQ(Actor::run(&environment,
                         [=] {
                             const pid_t pid = ::fork();
                             if (pid == 0) {
                                 ::prctl(PR_SET_NAME, "bh-victim");
                                 hold_memory(bytes);
                                 ::_exit(0);
                             }
                             victim->pid = pid;
                             return ::waitpid(pid, &victim->status, 0) < 0 ? errno : 0;
                         }),
              0);
    const Victim found = *victim;
    ::munmap(shared, kPage);
    return found;
}

bool was_killed(const Victim& victim) {
    return WIFSIGNALED(victim.status) && WTERMSIG(victim.status) == SIGKILL;
}

TEST(Fence, WarnsOfPagesPastTheBarrierAndAllows) {
    Paged mine;
    const Actor holder(&mine, [] { hold_memory(8 * kMebibyte); });
    const __u64 held = cgroup_number(mine, "memory.current") / kPage;
    mine.bound(BH_BEANCOUNTER_PHYSPAGES, {4 * held, BH_UNLIMITED});
    mine.expect_looked_at(BH_BEANCOUNTER_PHYSPAGES);
    EXPECT_EQ(mine.state().refusal_count, 0U) << "below the barrier";
    mine.bound(BH_BEANCOUNTER_PHYSPAGES, {held / 2, BH_UNLIMITED});
    for (int looks = 0; looks < 1000 && mine.state().refusal_count == 0; ++looks)
        ::usleep(20'000);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_timer);
    EXPECT_EQ(row.flags, BH_REFUSAL_WARNED);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.pid, 0U) << "of nobody";
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_PHYSPAGES);
    EXPECT_GT(row.object[1], held / 2);
    EXPECT_EQ(row.object[2], held / 2);
    EXPECT_EQ(row.object[3], BH_UNLIMITED);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_PHYSPAGES).failcnt, 0U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 0U);
}

FENCE_TEST(ExplainsOutOfMemoryKills, "bh_bc_oom") {
    Paged mine;
    mine.limit("memory.max", "16M");
    mine.limit("memory.swap.max", "0");
    mine.bound(BH_BEANCOUNTER_PHYSPAGES, {4096, 4096});
    const Victim victim = wants(mine, 64 * kMebibyte);
    EXPECT_TRUE(was_killed(victim));
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_PHYSPAGES).failcnt, 1U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_oom_kill);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.error, 0) << "it is killed";
    EXPECT_EQ(row.flags, 0);
    EXPECT_EQ(row.pid, static_cast<__u32>(victim.pid));
    EXPECT_STREQ(row.comm, "bh-victim");
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_PHYSPAGES);
    EXPECT_LE(row.object[1], 4096U);
    EXPECT_GT(row.object[1], 4000U);
    EXPECT_EQ(row.object[3], 4096U);

    mine.unbound(BH_BEANCOUNTER_PHYSPAGES);
    EXPECT_TRUE(was_killed(wants(mine, 64 * kMebibyte)));
    EXPECT_EQ(mine.state().refusal_count, 1U) << "nobody asked for it";
    mine.limit("memory.max", "max");
    EXPECT_FALSE(was_killed(wants(mine, 64 * kMebibyte)));
}

// What goes to swap goes in batches: one that is cut by the limit is refused in part.
FENCE_TEST(ExplainsThatNoMoreGoesToSwap, "bh_bc_swap") {
    const SwapArea area;
    Paged mine;
    mine.limit("memory.max", "16M");
    mine.limit("memory.swap.max", std::to_string(1001 * kPage));
    mine.bound(BH_BEANCOUNTER_SWAPPAGES, {1001, 1001});
    (void)wants(mine, 40 * kMebibyte);
    EXPECT_GT(cgroup_number(mine, "memory.swap.events", "max"), 0U);
    EXPECT_GE(mine.counter(BH_BEANCOUNTER_SWAPPAGES).failcnt, 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_swap_charge);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.error, -ENOMEM);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_SWAPPAGES);
    EXPECT_EQ(row.object[1], 1001U);
    EXPECT_EQ(row.object[3], 1001U);
    const __u64 told = mine.state().refusal_count;
    mine.unbound(BH_BEANCOUNTER_SWAPPAGES);
    (void)wants(mine, 40 * kMebibyte);
    EXPECT_EQ(mine.state().refusal_count, told) << "nobody asked for it";
}

}  // namespace
}  // namespace bulkhead::tests
