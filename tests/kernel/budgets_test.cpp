// Budgets: what would go above an amount is refused with nobody of ours there, until its period
// ends.
#include "loader/budgets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "loader/governed.h"
#include "loader/pins.h"
#include "tests/kernel/budgeted.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr int kAmount = 5;
constexpr int kMore = 200;  // starts() saw another number

int fork_one() {
    int error = 0;
    return started(1, error) == 1 ? 0 : error;
}

int execute(const char* path) {
    return outcome(::execl(path, path, nullptr));
}

void expect_refused_by(const bh_refusal& row, bh_budget_kind kind, int error) {
    EXPECT_EQ(row.error, -error);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.object_kind, BH_OBJECT_BUDGET);
    EXPECT_EQ(row.object[0], kind);
    EXPECT_EQ(row.object[3], kHourNs);
}

FENCE_TEST(RefusesProcessesAboveTheBudget, "bh_bg_fork") {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    const bh_budget budget = mine.budget(BH_BUDGET_PROCESSES);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), static_cast<__u64>(kAmount)) << "never above it";
    EXPECT_EQ(budget.exceeded, 1U);
    EXPECT_EQ(budget.refused, 3U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 3U);
    EXPECT_EQ(mine.state().refusal_count, 4U) << "three, and that it is past its amount";
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_task_alloc);
    expect_refused_by(row, BH_BUDGET_PROCESSES, EAGAIN);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[1], static_cast<__u64>(kAmount));
    EXPECT_EQ(row.object[2], static_cast<__u64>(kAmount));

    EXPECT_EQ(Actor::run(nullptr, [] { return starts(3 * kAmount, 0); }), kMore)
        << "the host ran into the budget or starts() cannot tell";
    mine.clear(BH_BUDGET_PROCESSES);
    EXPECT_EQ(Actor::run(&mine, fork_one), 0);
}

FENCE_TEST(RefusesProgramsAboveTheBudget, "bh_bg_exec") {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, 1);
    EXPECT_EQ(Actor::run(&mine, [] { return execute("/bin/true"); }), 0);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 1U);
    EXPECT_EQ(Actor::run(&mine, [] { return execute("/bin/true"); }), EAGAIN);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 1U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 1U);
    expect_refused_by(mine.last_refusal_by(BH_HOOK_bprm_check_security), BH_BUDGET_PROCESSES,
                      EAGAIN);
    EXPECT_EQ(Actor::run(nullptr, [] { return execute("/bin/true"); }), 0);
    mine.clear(BH_BUDGET_PROCESSES);
    EXPECT_EQ(Actor::run(&mine, [] { return execute("/bin/true"); }), 0);
}

TEST(Budgets, CountAScriptAndItsInterpreterAsOne) {
    const Tmpfs tmpfs;
    const std::string script = tmpfs.at("script");
    std::ofstream(script) << "#!/bin/true\n";
    ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(script.c_str()); }), 0);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 1U);
}

// What runs goes on as it is.
TEST(Budgets, LetThreadsBegin) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, 0);
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             if (fork_one() != EAGAIN)
                                 return kMore;
                             std::thread([] {}).join();
                             return 0;
                         }),
              0);
}

TEST(Budgets, HoldInAuditModeToo) {
    Budgeted mine;
    mine.set_mode(BH_MODE_AUDIT);
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
}

TEST(Budgets, AreOneEnvironmentsOnly) {
    Budgeted mine;
    BareEnvironment other("other");
    mine.grant_budget(BH_BUDGET_PROCESSES, 0);
    EXPECT_EQ(Actor::run(&mine, fork_one), EAGAIN);
    EXPECT_EQ(Actor::run(&other, fork_one), 0);
}

TEST(Budgets, OnlyRecordWhereTheActionIsEvent) {
    Budgeted mine;
    mine.set(BH_BUDGET_PROCESSES,
             {.amount = 4, .warn = 2, .period_ns = kHourNs, .on_exceed = BH_ON_EVENT});
    int error = 0;
    EXPECT_EQ(Actor::run(&mine, [&] { return started(9, error); }), 9);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 9U);
    EXPECT_EQ(mine.budget(BH_BUDGET_PROCESSES).exceeded, 1U);
    EXPECT_EQ(mine.budget(BH_BUDGET_PROCESSES).refused, 0U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 0U);
    EXPECT_EQ(mine.state().refusal_count, 2U) << "the warning once, the amount once";
    EXPECT_EQ(mine.told_exceeded().object[1], 5U);
    EXPECT_EQ(mine.told_exceeded().flags, BH_REFUSAL_WARNED | BH_REFUSAL_EXCEEDED);
}

TEST(Budgets, RefuseFromTheWarningOnWhereThatIsAsked) {
    Budgeted mine;
    mine.set(BH_BUDGET_PROCESSES, {.amount = 9,
                                   .warn = 3,
                                   .period_ns = kHourNs,
                                   .on_warn = BH_ON_REFUSE,
                                   .on_exceed = BH_ON_EVENT});
    EXPECT_EQ(Actor::run(&mine, [] { return starts(3, EAGAIN); }), 0);
}

TEST(Budgets, RefuseFromAWarningThatPausesAndForGoodFromOneThatStops) {
    for (const bh_budget_action action : {BH_ON_PAUSE, BH_ON_STOP}) {
        Budgeted mine;
        mine.set(BH_BUDGET_PROCESSES, {.amount = 9,
                                       .warn = 3,
                                       .period_ns = kHourNs,
                                       .on_warn = action,
                                       .on_exceed = BH_ON_EVENT});
        EXPECT_EQ(Actor::run(&mine, [] { return starts(3, EAGAIN); }), 0);
        expect_refused_by(mine.last_refusal_by(BH_HOOK_task_alloc), BH_BUDGET_PROCESSES, EAGAIN);
        mine.pass_a_period(BH_BUDGET_PROCESSES);
        EXPECT_EQ(Actor::run(&mine, fork_one), action == BH_ON_STOP ? EAGAIN : 0);
        mine.set(BH_BUDGET_PROCESSES,
                 {.amount = 9, .period_ns = kHourNs, .on_exceed = BH_ON_EVENT});
        EXPECT_EQ(Actor::run(&mine, fork_one), 0) << "the control: no warning";
    }
}

// What is to stand still or to end begins nothing more, although nobody has come to see to it.
TEST(Budgets, RefuseAtOnceWhereTheEnvironmentIsToPause) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount, BH_ON_PAUSE);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), static_cast<__u64>(kAmount)) << "never above it";
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 3U);
    expect_refused_by(mine.last_refusal_by(BH_HOOK_task_alloc), BH_BUDGET_PROCESSES, EAGAIN);
    mine.pass_a_period(BH_BUDGET_PROCESSES);
    EXPECT_EQ(Actor::run(&mine, fork_one), 0);
}

TEST(Budgets, RefuseForGoodWhereTheEnvironmentIsToStop) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount, BH_ON_STOP);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    mine.pass_a_period(BH_BUDGET_PROCESSES);
    EXPECT_EQ(Actor::run(&mine, fork_one), EAGAIN);
    EXPECT_EQ(Actor::run(&mine, [] { return execute("/bin/true"); }), EAGAIN);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 0U) << "it is this period's, and nothing began";
    expect_refused_by(mine.last_refusal_by(BH_HOOK_task_alloc), BH_BUDGET_PROCESSES, EAGAIN);
    mine.grant_budget(BH_BUDGET_PROCESSES, 2 * kAmount, BH_ON_STOP);
    EXPECT_EQ(Actor::run(&mine, fork_one), 0) << "more was given before anybody stopped it";
}

TEST(Budgets, RefuseNothingWhereTheEnvironmentIsToBeThrottled) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount, BH_ON_THROTTLE);
    int error = 0;
    EXPECT_EQ(Actor::run(&mine, [&] { return started(2 * kAmount, error); }), 2 * kAmount);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 2U * kAmount);
    EXPECT_EQ(mine.budget(BH_BUDGET_PROCESSES).exceeded, 1U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 0U);
}

TEST(Budgets, AreAnAgentsBusinessOnlyWhereTheyAskForOne) {
    const auto governed = [] {
        const auto any = loader::is_anything_governed();
        return any && *any;
    };
    EXPECT_FALSE(governed());
    {
        Budgeted mine;
        Budgeted other("other");
        mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
        EXPECT_FALSE(governed());
        mine.grant_budget(BH_BUDGET_PROCESSES, kAmount, BH_ON_PAUSE);
        other.grant_budget(BH_BUDGET_EGRESS, kAmount, BH_ON_STOP);
        EXPECT_TRUE(governed());
    }
    EXPECT_FALSE(governed()) << "both are gone";
}

TEST(Budgets, BeginAnewWithThePeriod) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    EXPECT_EQ(Actor::run(&mine, fork_one), EAGAIN);
    mine.pass_a_period(BH_BUDGET_PROCESSES);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 0U);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), static_cast<__u64>(kAmount));
    EXPECT_EQ(mine.budget(BH_BUDGET_PROCESSES).exceeded, 2U);
}

TEST(Budgets, AreOpenAgainWhenTheAmountIsRaised) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    mine.grant_budget(BH_BUDGET_PROCESSES, 2 * kAmount);
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount, EAGAIN); }), 0);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), 2U * kAmount);
}

TEST(Budgets, GoOnWhereTheLastOfTheNameEnded) {
    Budgeted mine;
    const bh_budget none = [&] {
        mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
        return mine.budget(BH_BUDGET_PROCESSES);
    }();
    mine.clear(BH_BUDGET_PROCESSES);
    mine.set(BH_BUDGET_PROCESSES, {.amount = kAmount, .period_ns = kHourNs},
             loader::CarriedOver{.used = 3, .period_began_ns = none.origin_ns, .exceeded = 7});
    EXPECT_EQ(Actor::run(&mine, [] { return starts(kAmount - 3, EAGAIN); }), 0);
    EXPECT_EQ(mine.budget(BH_BUDGET_PROCESSES).exceeded, 8U);
}

constexpr __u64 kDatagram = 1000 + 8 + 20;
const InetAddress kPeer("127.0.0.1", 7300);

// A datagram of `bytes`; 0 or an errno.
int send_bytes(const UniqueFd& sender, std::size_t bytes) {
    const std::string data(bytes, 'x');
    return outcome(::sendto(sender.get(), data.data(), data.size(), 0, kPeer.get(), kPeer.bytes()));
}

FENCE_TEST(DropsPacketsAboveTheBudget, "bh_bg_egress") {
    prepare_loopback();
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_EGRESS, 3 * kDatagram + 500);
    const UniqueFd receiver = server_at(kPeer, SOCK_DGRAM);
    const auto send_all = [] {
        const UniqueFd sender = client(AF_INET, SOCK_DGRAM);
        for (int i = 0; i < 3; ++i)
            if (const int error = send_bytes(sender, 1000); error != 0)
                return error;
        if (send_bytes(sender, 1000) != EPERM)
            return kMore;
        // It would fit, and yet: the budget is closed.
        if (send_bytes(sender, 1) != EPERM)
            return kMore;
        return fork_one() == EAGAIN && execute("/bin/true") == EAGAIN ? 0 : kMore;
    };
    EXPECT_EQ(Actor::run(&mine, send_all), 0);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(arrived(receiver));
    EXPECT_FALSE(arrived(receiver));
    EXPECT_EQ(mine.used(BH_BUDGET_EGRESS), 3 * kDatagram) << "to the byte, and never above it";
    EXPECT_EQ(mine.budget(BH_BUDGET_EGRESS).exceeded, 1U);
    EXPECT_EQ(mine.budget(BH_BUDGET_EGRESS).refused, 4U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 4U);
    expect_refused_by(mine.last_refusal_by(BH_HOOK_cgroup_egress), BH_BUDGET_EGRESS, EPERM);
    expect_refused_by(mine.last_refusal_by(BH_HOOK_task_alloc), BH_BUDGET_EGRESS, EAGAIN);

    mine.pass_a_period(BH_BUDGET_EGRESS);
    EXPECT_EQ(Actor::run(&mine, [] { return send_bytes(client(AF_INET, SOCK_DGRAM), 1); }), 0);
    EXPECT_TRUE(arrived(receiver));
    mine.clear(BH_BUDGET_EGRESS);
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const UniqueFd sender = client(AF_INET, SOCK_DGRAM);
                             int failed = 0;
                             for (int i = 0; i < 9; ++i)
                                 failed |= send_bytes(sender, 1000);
                             return failed;
                         }),
              0);
}

TEST(Budgets, CloseEgressWhenProcessesAreUsedUp) {
    prepare_loopback();
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, 0);
    const auto send = [] { return send_bytes(client(AF_INET, SOCK_DGRAM), 1); };
    EXPECT_EQ(Actor::run(&mine, send), 0);
    EXPECT_EQ(Actor::run(&mine, fork_one), EAGAIN);
    EXPECT_EQ(Actor::run(&mine, send), EPERM);
}

bool is_attached(const char* program) {
    return ::access(loader::link_pin(program).c_str(), F_OK) == 0;
}

TEST(Budgets, HaveTheirProgramsOnlyWhileOneIsThere) {
    EXPECT_FALSE(is_attached("bh_bg_fork"));
    std::string packets = "bh_bg_egress-";
    {
        Budgeted mine;
        packets += std::to_string(mine.label().serial);
        mine.grant_budget(BH_BUDGET_EGRESS, kAmount);
        mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
        mine.clear(BH_BUDGET_EGRESS);
        EXPECT_TRUE(is_attached("bh_bg_fork"));
        EXPECT_TRUE(is_attached("bh_bg_exec"));
        EXPECT_TRUE(is_attached(packets.c_str()));
        mine.clear(BH_BUDGET_PROCESSES);
        EXPECT_FALSE(is_attached("bh_bg_fork"));
        EXPECT_FALSE(is_attached(packets.c_str()));
        mine.grant_budget(BH_BUDGET_PROCESSES, kAmount);
        EXPECT_TRUE(is_attached("bh_bg_exec"));
    }
    EXPECT_FALSE(is_attached("bh_bg_exec")) << "the environment is gone";
    EXPECT_FALSE(is_attached(packets.c_str()));
}

constexpr int kThreads = 16;
constexpr int kForks = 20;
constexpr int kStormAmount = 100;

int storm() {
    std::atomic<int> made = 0;
    std::atomic<bool> other_error = false;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&] {
            int error = 0;
            made += started(kForks, error);
            other_error = other_error || (error != 0 && error != EAGAIN);
        });
    for (std::thread& thread : threads)
        thread.join();
    return other_error ? kMore : made.load();
}

TEST(Budgets, AreExactInAStorm) {
    Budgeted mine;
    mine.grant_budget(BH_BUDGET_PROCESSES, kStormAmount);
    EXPECT_EQ(Actor::run(&mine, storm), kStormAmount);
    const bh_budget budget = mine.budget(BH_BUDGET_PROCESSES);
    EXPECT_EQ(mine.used(BH_BUDGET_PROCESSES), static_cast<__u64>(kStormAmount));
    EXPECT_EQ(budget.refused, static_cast<__u64>(kThreads * kForks - kStormAmount));
    EXPECT_EQ(budget.exceeded, 1U);
    EXPECT_EQ(mine.state().internal, 0U) << "refused for want of a decision";
}

}  // namespace
}  // namespace bulkhead::tests
