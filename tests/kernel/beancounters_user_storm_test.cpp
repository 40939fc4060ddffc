// Beancounters of locks, watches and signals while sixteen threads make and free them.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "loader/held.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/onlooker.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

constexpr int kThreads = 16;
constexpr int kRounds = 40;
// Less than the threads want at once, so that many are refused.
constexpr __u64 kLocks = 20;
constexpr __u64 kWatches = 10;
constexpr __u64 kSignals = 10;

void set_lock(int fd, short type, off_t first, off_t bytes) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_start = first;
    lock.l_len = bytes;
    (void)::fcntl(fd, F_OFD_SETLK, &lock);
}

// Each thread in a part of the file of its own, cut and joined again.
void lock_parts(int fd, int thread) {
    const off_t first = thread * 100;
    set_lock(fd, F_WRLCK, first, 90);
    set_lock(fd, F_RDLCK, first + 30, 10);
    set_lock(fd, F_WRLCK, first, 90);
    set_lock(fd, F_UNLCK, first + 10, 10);
    (void)::flock(fd, LOCK_EX | LOCK_NB);
    (void)::flock(fd, LOCK_SH | LOCK_NB);
}

void unlock_parts(int fd, int thread) {
    (void)::flock(fd, LOCK_UN);
    set_lock(fd, F_UNLCK, thread * 100, 90);
}

void watch(int instance, const std::string& path) {
    (void)::inotify_add_watch(instance, path.c_str(), IN_CREATE);
    (void)::inotify_add_watch(instance, path.c_str(), IN_DELETE);
    (void)::inotify_add_watch(instance, "/", IN_CREATE);
}

// Those that it may have: numbers are given in turn.
void forget(int instance, int round) {
    for (int watch = 1; watch <= 2 * (round + 1); ++watch)
        (void)::inotify_rm_watch(instance, watch);
}

void send() {
    const sigval value{};
    (void)::sigqueue(::getpid(), SIGRTMIN, value);
    (void)::syscall(SYS_tgkill, ::getpid(), ::gettid(), SIGRTMIN + 1);
}

void take() {
    sigset_t sent;
    ::sigemptyset(&sent);
    ::sigaddset(&sent, SIGRTMIN);
    ::sigaddset(&sent, SIGRTMIN + 1);
    const timespec at_once{};
    while (::sigtimedwait(&sent, nullptr, &at_once) > 0)
        continue;
}

int storm(const UserNamespace& inside, const Tmpfs& files) {
    if (const int error = inside.enter())
        return error;
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    // All have made theirs before any frees one.
    std::barrier together(kThreads);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&files, &together, i] {
            const UniqueFd file(::open(files.at("f").c_str(), O_RDWR | O_CLOEXEC));
            const UniqueFd instance(::inotify_init1(IN_CLOEXEC));
            const std::string directory = files.at("d" + std::to_string(i));
            for (int round = 0; round < kRounds; ++round) {
                lock_parts(file.get(), i);
                watch(instance.get(), directory);
                send();
                together.arrive_and_wait();
                unlock_parts(file.get(), i);
                forget(instance.get(), round);
                take();
                together.arrive_and_wait();
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    return 0;
}

TEST(Beancounters, OfLocksWatchesAndSignalsAreExactInAStorm) {
    const Tmpfs files;
    files.write("f");
    for (int i = 0; i < kThreads; ++i)
        files.make_directory("d" + std::to_string(i));
    const UserNamespace inside;
    Bounded mine;
    mine.allow(BH_CLASS_MOUNTS);  // to enter the user namespace
    bh_environment record = mine.record();
    record.user_ns = inside.inode();
    mine.publish(record);
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {kLocks, kLocks});
    mine.bound(BH_BEANCOUNTER_NUMINOTIFY, {kWatches, kWatches});
    mine.bound(BH_BEANCOUNTER_NUMSIGINFO, {kSignals, kSignals});
    Ongoing acting(&mine, [&] { return storm(inside, files); });
    Onlooker onlooker([&] {
        const auto counts = loader::read_user_counts(inside.inode());
        return !counts || counts->watches > kWatches || counts->signals > kSignals ||
               mine.counter(BH_BEANCOUNTER_NUMFLOCK).held > kLocks;
    });
    EXPECT_EQ(acting.join(), 0);
    onlooker.stop();
    EXPECT_FALSE(onlooker.saw_above());
    EXPECT_GT(onlooker.looks(), 10U);
    for (const auto id :
         {BH_BEANCOUNTER_NUMFLOCK, BH_BEANCOUNTER_NUMINOTIFY, BH_BEANCOUNTER_NUMSIGINFO}) {
        EXPECT_TRUE(mine.settles_at_zero(id)) << loader::beancounter_name(id);
        const bh_beancounter counter = mine.counter(id);
        EXPECT_LE(counter.maxheld, counter.limit) << loader::beancounter_name(id);
        EXPECT_GT(counter.failcnt, 0U) << "it was no storm of " << loader::beancounter_name(id);
    }
    const auto left = loader::read_user_counts(inside.inode());
    ASSERT_TRUE(left.has_value()) << left.error().message();
    EXPECT_EQ(left->watches, 0U);
    EXPECT_EQ(left->signals, 0U);
    EXPECT_EQ(mine.state().internal, 0U) << "refused for want of a row";
    EXPECT_EQ(charged_objects(), 0U) << "rows of objects that are gone";
}

}  // namespace
}  // namespace bulkhead::tests
