// Beancounters of locks, watches and signals while sixteen threads make and free them, to the end
// or until they are killed.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "loader/held.h"
#include "runtime/cgroup.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/onlooker.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

constexpr int kThreads = 16;
constexpr int kRounds = 12;
// Less than the threads want at once, so that many are refused.
constexpr __u64 kLocks = 20;
constexpr __u64 kWatches = 10;
constexpr __u64 kSignals = 10;

// Locks of the open file, and those of the process, which have one owner for all threads.
constexpr std::array kOwners = {F_OFD_SETLK, F_SETLK};

void set_lock(int fd, int owner, short type, off_t first, off_t bytes) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_start = first;
    lock.l_len = bytes;
    (void)::fcntl(fd, owner, &lock);
}

// Each thread has parts of the file of its own.
off_t part_of(int thread, int owner) {
    return (owner == F_SETLK ? kThreads + thread : thread) * 100;
}

// Cut and joined again.
void lock_parts(int fd, int thread) {
    for (const int owner : kOwners) {
        const off_t first = part_of(thread, owner);
        set_lock(fd, owner, F_WRLCK, first, 90);
        set_lock(fd, owner, F_RDLCK, first + 30, 10);
        set_lock(fd, owner, F_WRLCK, first, 90);
        set_lock(fd, owner, F_UNLCK, first + 10, 10);
    }
    (void)::flock(fd, LOCK_EX | LOCK_NB);
    (void)::flock(fd, LOCK_SH | LOCK_NB);
}

void unlock_parts(int fd, int thread) {
    (void)::flock(fd, LOCK_UN);
    for (const int owner : kOwners)
        set_lock(fd, owner, F_UNLCK, part_of(thread, owner), 90);
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

enum class Until { kDone, kKilled };

int storm(const UserNamespace& inside, const Tmpfs& files, Until until) {
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
        threads.emplace_back([&files, &together, until, i] {
            const UniqueFd file(::open(files.at("f").c_str(), O_RDWR | O_CLOEXEC));
            const UniqueFd instance(::inotify_init1(IN_CLOEXEC));
            const std::string directory = files.at("d" + std::to_string(i));
            for (int round = 0; until == Until::kKilled || round < kRounds; ++round) {
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

constexpr std::array kCounted = {BH_BEANCOUNTER_NUMFLOCK, BH_BEANCOUNTER_NUMINOTIFY,
                                 BH_BEANCOUNTER_NUMSIGINFO};

class StormOfUsers : public testing::Test {
protected:
    StormOfUsers() {
        files_.write("f");
        for (int i = 0; i < kThreads; ++i)
            files_.make_directory("d" + std::to_string(i));
        mine_.allow(BH_CLASS_MOUNTS);  // to enter the user namespace
        bh_environment record = mine_.record();
        record.user_ns = inside_.inode();
        mine_.publish(record);
        mine_.bound(BH_BEANCOUNTER_NUMFLOCK, {kLocks, kLocks});
        mine_.bound(BH_BEANCOUNTER_NUMINOTIFY, {kWatches, kWatches});
        mine_.bound(BH_BEANCOUNTER_NUMSIGINFO, {kSignals, kSignals});
    }

    [[nodiscard]] bool is_above() const {
        const auto counts = loader::read_user_counts(inside_.inode());
        return !counts || counts->watches > kWatches || counts->signals > kSignals ||
               mine_.counter(BH_BEANCOUNTER_NUMFLOCK).held > kLocks;
    }

    [[nodiscard]] bool has_refused() const {
        return std::all_of(kCounted.begin(), kCounted.end(),
                           [this](bh_beancounter_id id) { return mine_.counter(id).failcnt > 0; });
    }

    void expect_nothing_held() {
        for (const auto id : kCounted) {
            EXPECT_TRUE(mine_.settles_at_zero(id)) << loader::beancounter_name(id);
            const bh_beancounter counter = mine_.counter(id);
            EXPECT_LE(counter.maxheld, counter.limit) << loader::beancounter_name(id);
        }
        const auto left = loader::read_user_counts(inside_.inode());
        ASSERT_TRUE(left.has_value()) << left.error().message();
        EXPECT_EQ(left->watches, 0U);
        EXPECT_EQ(left->signals, 0U);
        EXPECT_EQ(mine_.state().internal, 0U) << "refused for want of a row";
        EXPECT_EQ(charged_objects(), 0U) << "rows of objects that are gone";
    }

    const Tmpfs files_;
    const UserNamespace inside_;
    Bounded mine_;
};

TEST_F(StormOfUsers, CountsLocksWatchesAndSignalsExactly) {
    Ongoing acting(&mine_, [this] { return storm(inside_, files_, Until::kDone); });
    Onlooker onlooker([this] {
        ::usleep(500);
        return is_above();
    });
    EXPECT_EQ(acting.join(), 0);
    onlooker.stop();
    EXPECT_FALSE(onlooker.saw_above());
    EXPECT_GT(onlooker.looks(), 10U);
    EXPECT_TRUE(has_refused()) << "it was no storm of one of them";
    expect_nothing_held();
}

TEST_F(StormOfUsers, CountsExactlyWhereAllAreKilled) {
    for (int times = 0; times < 2; ++times) {
        const Ongoing acting(&mine_, [this] { return storm(inside_, files_, Until::kKilled); });
        const __u64 before = mine_.counter(BH_BEANCOUNTER_NUMSIGINFO).failcnt;
        bool was_above = false;
        const auto is_storm = [&] {
            return mine_.counter(BH_BEANCOUNTER_NUMSIGINFO).failcnt > before + 10 && has_refused();
        };
        for (int looks = 0; looks < 10'000 && !is_storm(); ++looks)
            was_above = was_above || is_above();
        EXPECT_TRUE(is_storm());
        const auto cgroup = runtime::Cgroup::open("bounded");
        ASSERT_TRUE(cgroup && cgroup->kill_all());
        EXPECT_TRUE(cgroup->wait_empty(10'000).value());
        EXPECT_FALSE(was_above);
    }
    expect_nothing_held();
}

}  // namespace
}  // namespace bulkhead::tests
