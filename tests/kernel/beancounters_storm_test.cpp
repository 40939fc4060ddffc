// Beancounters while sixteen threads make and free all at once, to the end or until they are
// killed.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <latch>
#include <thread>
#include <vector>

#include "runtime/cgroup.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/onlooker.h"

namespace bulkhead::tests {
namespace {

constexpr int kThreads = 16;
constexpr int kRounds = 40;
// Less than the threads want at once, so that many are refused.
constexpr __u64 kFiles = 24;
constexpr __u64 kSockets = 10;
constexpr __u64 kTerminals = 4;
constexpr __u64 kTasks = 1 + kThreads + 1;  // one child at a time

constexpr std::array kCounted = {BH_BEANCOUNTER_NUMFILE, BH_BEANCOUNTER_NUMTCPSOCK,
                                 BH_BEANCOUNTER_NUMOTHERSOCK, BH_BEANCOUNTER_NUMUNIXSOCK,
                                 BH_BEANCOUNTER_NUMPTY};

void close_all(std::initializer_list<int> descriptors) {
    for (const int descriptor : descriptors)
        if (descriptor >= 0)
            ::close(descriptor);
}

// Makes files and sockets of every kind, passes one on, lets a child free some.
void make_and_free(int round) {
    std::array<int, 2> pipe{-1, -1};
    (void)!::pipe2(pipe.data(), O_CLOEXEC);
    const Pair pair;
    const int file = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int terminal = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    const int copy = ::dup(file);
    if (file >= 0 && pair.send_descriptor(file) == 1 && round % 2 == 0)
        (void)pair.receive_descriptor();
    if (round % 10 == 0) {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        if (child > 0)
            ::waitpid(child, nullptr, 0);
    }
    close_all({pipe[0], pipe[1], file, tcp, udp, terminal, copy});
}

enum class Until { kDone, kKilled };

int storm(Until until) {
    std::latch all_there(kThreads);  // which a child in the place of one would prevent
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&] {
            all_there.arrive_and_wait();
            for (int round = 0; until == Until::kKilled || round < kRounds; ++round)
                make_and_free(round);
        });
    for (std::thread& thread : threads)
        thread.join();
    return 0;
}

class Stormy : public Bounded {
public:
    Stormy() {
        bound(BH_BEANCOUNTER_NUMFILE, {kFiles, kFiles});
        for (const auto id :
             {BH_BEANCOUNTER_NUMTCPSOCK, BH_BEANCOUNTER_NUMOTHERSOCK, BH_BEANCOUNTER_NUMUNIXSOCK})
            bound(id, {kSockets, kSockets});
        bound(BH_BEANCOUNTER_NUMPTY, {kTerminals, kTerminals});
        bound(BH_BEANCOUNTER_NUMPROC, {kTasks, kTasks});
        std::ofstream(cgroup() + "/pids.max") << kTasks;
    }

    // The kernel adds a task, and takes it off where that is too many.
    [[nodiscard]] bool is_above() const {
        return cgroup_number(*this, "pids.current") > kTasks + kThreads ||
               std::any_of(kCounted.begin(), kCounted.end(), [this](bh_beancounter_id id) {
                   const bh_beancounter seen = counter(id);
                   return seen.held > seen.limit;
               });
    }

    [[nodiscard]] bool has_refused() const {
        return counter(BH_BEANCOUNTER_NUMFILE).failcnt > 0 &&
               cgroup_number(*this, "pids.events", "max") > 0;
    }

    void expect_nothing_held() {
        for (const auto id : kCounted) {
            const char* name = loader::beancounter_name(id);
            EXPECT_TRUE(settles_at_zero(id)) << name << ": " << counter(id).held;
            EXPECT_LE(counter(id).maxheld, counter(id).limit) << name;
        }
        const bh_usage usage = read_meters(*this).usage;
        EXPECT_EQ(usage.processes, 0U);
        EXPECT_LE(usage.processes_peak, kTasks);
        EXPECT_EQ(state().internal, 0U) << "refused for want of a row";
        EXPECT_EQ(charged_objects(), 0U) << "rows of objects that are gone";
    }
};

TEST(Beancounters, AreExactInAStorm) {
    Stormy mine;
    Ongoing acting(&mine, [] { return storm(Until::kDone); });
    Onlooker onlooker([&mine] {
        ::usleep(500);
        return mine.is_above();
    });
    EXPECT_EQ(acting.join(), 0);
    onlooker.stop();
    EXPECT_FALSE(onlooker.saw_above());
    EXPECT_GT(onlooker.looks(), 100U);
    EXPECT_TRUE(mine.has_refused()) << "it was no storm";
    for (const auto id : kCounted)
        EXPECT_GT(mine.counter(id).maxheld, 0U) << loader::beancounter_name(id);
    mine.expect_nothing_held();
}

TEST(Beancounters, AreExactWhereAllAreKilledInAStorm) {
    Stormy mine;
    for (int times = 0; times < 2; ++times) {
        const Ongoing acting(&mine, [] { return storm(Until::kKilled); });
        const __u64 before = mine.counter(BH_BEANCOUNTER_NUMFILE).failcnt;
        bool was_above = false;
        const auto is_storm = [&] {
            return mine.counter(BH_BEANCOUNTER_NUMFILE).failcnt > before + 50 && mine.has_refused();
        };
        for (int looks = 0; looks < 10'000 && !is_storm(); ++looks)
            was_above = was_above || mine.is_above();
        EXPECT_TRUE(is_storm());
        const auto cgroup = runtime::Cgroup::open("bounded");
        ASSERT_TRUE(cgroup && cgroup->kill_all());
        EXPECT_TRUE(cgroup->wait_empty(10'000).value());
        EXPECT_FALSE(was_above);
    }
    mine.expect_nothing_held();
}

}  // namespace
}  // namespace bulkhead::tests
