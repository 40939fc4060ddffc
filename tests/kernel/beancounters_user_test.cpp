// Beancounters of what the kernel counts to the users of a user namespace: inotify watches and
// queued signals.
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "loader/held.h"
#include "loader/held_links.h"
#include "loader/pins.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

constexpr int kUnexpected = 200;

// To enter it takes the capability that goes with mounts.
void enter(BareEnvironment& environment, const UserNamespace& inside) {
    environment.allow(BH_CLASS_MOUNTS);
    bh_environment record = environment.record();
    record.user_ns = inside.inode();
    environment.publish(record);
}

constexpr std::array kWatched = {"/", "/etc", "/usr", "/var", "/dev"};

// How many of kWatched can be watched; what the next one says is left in `error`.
int watch(int instance, int& error) {
    error = 0;
    int count = 0;
    for (const char* path : kWatched) {
        error = outcome(::inotify_add_watch(instance, path, IN_CREATE));
        if (error != 0)
            break;
        ++count;
    }
    return count;
}

// 0 when `wanted` can be watched and then `wanted_error` is said.
int watches(const UserNamespace& inside, int wanted, int wanted_error) {
    if (const int error = inside.enter())
        return error;
    const int instance = ::inotify_init1(IN_CLOEXEC);
    int error = 0;
    return watch(instance, error) == wanted && error == wanted_error ? 0 : kUnexpected;
}

int watches_once(const UserNamespace& inside) {
    if (const int error = inside.enter())
        return error;
    return outcome(::inotify_add_watch(::inotify_init1(IN_CLOEXEC), "/", IN_CREATE));
}

FENCE_TEST(RefusesWatchesAboveTheLimit, "bh_bc_watch") {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {2, 3});
    EXPECT_EQ(Actor::run(&mine, [&] { return watches(inside, 3, ENOSPC); }), 0);
    const bh_beancounter counter = mine.counter(BH_BEANCOUNTER_NUMINOTIFY);
    EXPECT_EQ(counter.held, 0U) << "nothing is under way";
    EXPECT_EQ(counter.maxheld, 3U);
    EXPECT_EQ(counter.failcnt, 1U);
    EXPECT_EQ(mine.state().refusal_count, 2U) << "the barrier once, the limit once";
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_path_notify);
    EXPECT_EQ(row.error, -ENOSPC);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMINOTIFY);
    EXPECT_EQ(row.object[1], 3U);
    EXPECT_EQ(row.object[3], 3U);

    EXPECT_EQ(Actor::run(nullptr, [&] { return watches(inside, 5, 0); }), 0);
    mine.unbound(BH_BEANCOUNTER_NUMINOTIFY);
    EXPECT_EQ(Actor::run(&mine, [&] { return watches(inside, 5, 0); }), 0);
}

// Of the whole environment, also what is in another instance and what was there before.
TEST(Fence, CountsWatchesOfTheWholeNamespace) {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    const Actor before(&mine, [&] {
        EXPECT_EQ(inside.enter(), 0);
        (void)::inotify_add_watch(::inotify_init(), "/", IN_CREATE);
    });
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {3, 3});
    EXPECT_EQ(Actor::run(&mine, [&] { return watches(inside, 2, ENOSPC); }), 0);
}

TEST(Fence, ChangesAWatchAtTheLimit) {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {1, 1});
    const auto change = [&] {
        if (const int error = inside.enter())
            return error;
        const int instance = ::inotify_init1(IN_CLOEXEC);
        const int other = ::inotify_init1(IN_CLOEXEC);
        const int first = ::inotify_add_watch(instance, "/", IN_CREATE);
        if (first < 0 || ::inotify_add_watch(instance, "/", IN_DELETE) != first)
            return kUnexpected;
        if (outcome(::inotify_add_watch(other, "/", IN_CREATE)) != ENOSPC)
            return kUnexpected + 1;
        ::inotify_rm_watch(instance, first);
        return outcome(::inotify_add_watch(other, "/", IN_CREATE));
    };
    EXPECT_EQ(Actor::run(&mine, change), 0);
}

// Two tasks, each of which makes one: the first one's request is over.
FENCE_TEST(EndsRequestsForWatches, "bh_bc_watch_end") {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {2, 2});
    const auto one_each = [&] {
        if (const int error = inside.enter())
            return error;
        const int instance = ::inotify_init1(IN_CLOEXEC);
        if (::inotify_add_watch(instance, "/", IN_CREATE) < 0)
            return errno;
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(outcome(::inotify_add_watch(instance, "/etc", IN_CREATE)));
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    };
    EXPECT_EQ(Actor::run(&mine, one_each), 0);
}

// As on a kernel that skips the program at a request's end.
FENCE_TEST(EndsRequestsOfTasksThatAreGone, "bh_bc_task_end") {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {2, 2});
    const std::string pin = loader::link_pin("bh_bc_watch_end");
    std::vector<loader::HeldLink> links;
    links.push_back(std::move(*loader::hold_link(pin)));
    ASSERT_EQ(::unlink(pin.c_str()), 0);
    ASSERT_TRUE(loader::drop(std::move(links)).has_value());
    EXPECT_EQ(Actor::run(&mine, [&] { return watches_once(inside); }), 0);
    EXPECT_GT(mine.counter(BH_BEANCOUNTER_NUMINOTIFY).maxheld, 0U);
    EXPECT_TRUE(mine.settles_at_zero(BH_BEANCOUNTER_NUMINOTIFY));
    EXPECT_EQ(charged_objects(), 0U);
}

int queue_signal() {
    sigval value{};
    return ::sigqueue(::getpid(), SIGRTMIN, value);
}

int hold_signals() {
    sigset_t all;
    ::sigfillset(&all);
    return ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

// 0 when `wanted` can be queued and then `wanted_error` is said.
int queues(const UserNamespace& inside, int wanted, int wanted_error) {
    if (const int error = inside.enter())
        return error;
    hold_signals();
    int count = 0;
    int error = 0;
    while (count < 6 && (error = outcome(queue_signal())) == 0)
        ++count;
    return count == wanted && error == wanted_error ? 0 : kUnexpected;
}

FENCE_TEST(RefusesSignalsAboveTheLimit, "bh_bc_sig") {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMSIGINFO, {3, 3});
    EXPECT_EQ(Actor::run(&mine, [&] { return queues(inside, 3, EAGAIN); }), 0);
    const bh_beancounter counter = mine.counter(BH_BEANCOUNTER_NUMSIGINFO);
    EXPECT_EQ(counter.held, 0U) << "nothing is under way";
    EXPECT_EQ(counter.maxheld, 3U);
    EXPECT_EQ(counter.failcnt, 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_task_kill);
    EXPECT_EQ(row.error, -EAGAIN);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMSIGINFO);
    EXPECT_EQ(row.object[1], 3U);

    EXPECT_EQ(Actor::run(nullptr, [&] { return queues(inside, 6, 0); }), 0);
    mine.unbound(BH_BEANCOUNTER_NUMSIGINFO);
    EXPECT_EQ(Actor::run(&mine, [&] { return queues(inside, 6, 0); }), 0);
}

// Real-time signals by kill() are queued, too; of others one at most, which the kernel takes.
TEST(Fence, RefusesSignalsHoweverTheyAreSent) {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMSIGINFO, {1, 1});
    const auto send = [&] {
        if (const int error = inside.enter())
            return error;
        hold_signals();
        if (queue_signal() != 0 || outcome(::kill(::getpid(), SIGRTMIN)) != EAGAIN)
            return kUnexpected;
        if (::kill(::getpid(), SIGUSR1) != 0)
            return kUnexpected + 1;
        sigset_t usual;
        ::sigemptyset(&usual);
        ::sigaddset(&usual, SIGUSR1);
        ::sigaddset(&usual, SIGRTMIN);
        for (int i = 0; i < 2; ++i)
            (void)::sigwaitinfo(&usual, nullptr);
        return outcome(::kill(::getpid(), SIGRTMIN));
    };
    EXPECT_EQ(Actor::run(&mine, send), 0);
}

FENCE_TEST(EndsRequestsForSignals, "bh_bc_sig_end") {
    const UserNamespace inside;
    Bounded mine;
    enter(mine, inside);
    mine.bound(BH_BEANCOUNTER_NUMSIGINFO, {2, 2});
    const auto one_each = [&] {
        if (const int error = inside.enter())
            return error;
        hold_signals();
        if (queue_signal() != 0)
            return errno;
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(outcome(::kill(::getppid(), SIGRTMIN)));
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    };
    EXPECT_EQ(Actor::run(&mine, one_each), 0);
}

FENCE_TEST(ReadsWhatTheKernelCountsToUsers, "bh_bc_ucounts") {
    const UserNamespace inside;
    BareEnvironment mine("mine");
    enter(mine, inside);
    mine.allow(BH_CLASS_FILES);
    const auto read = [&] {
        const auto counts = loader::read_user_counts(inside.inode());
        EXPECT_TRUE(counts.has_value()) << counts.error().message();
        return counts.value_or(loader::UserCounts{});
    };
    EXPECT_EQ(read().watches, 0U);
    {
        const Actor has(&mine, [&] {
            EXPECT_EQ(watches(inside, 5, 0), 0);
            hold_signals();
            (void)queue_signal();
            (void)queue_signal();
        });
        EXPECT_EQ(read().watches, 5U);
        EXPECT_EQ(read().signals, 2U);
    }
    EXPECT_EQ(read().watches, 0U);
    EXPECT_EQ(read().signals, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
