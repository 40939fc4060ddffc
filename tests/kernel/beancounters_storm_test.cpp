// Beancounters while sixteen threads make and free all at once.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/onlooker.h"

namespace bulkhead::tests {
namespace {

constexpr int kThreads = 16;
constexpr int kRounds = 60;
// Less than the threads want at once, so that many are refused.
constexpr __u64 kFiles = 24;
constexpr __u64 kSockets = 10;
constexpr __u64 kTerminals = 4;

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
    if (round % 40 == 0) {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        ::waitpid(child, nullptr, 0);
    }
    close_all({pipe[0], pipe[1], file, tcp, udp, terminal, copy});
}

int storm() {
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([] {
            for (int round = 0; round < kRounds; ++round)
                make_and_free(round);
        });
    for (std::thread& thread : threads)
        thread.join();
    return 0;
}

TEST(Beancounters, AreExactInAStorm) {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kFiles, kFiles});
    for (const auto id :
         {BH_BEANCOUNTER_NUMTCPSOCK, BH_BEANCOUNTER_NUMOTHERSOCK, BH_BEANCOUNTER_NUMUNIXSOCK})
        mine.bound(id, {kSockets, kSockets});
    mine.bound(BH_BEANCOUNTER_NUMPTY, {kTerminals, kTerminals});
    Ongoing acting(&mine, storm);
    Onlooker onlooker([&mine] {
        ::usleep(500);
        return std::any_of(kCounted.begin(), kCounted.end(), [&mine](bh_beancounter_id id) {
            const bh_beancounter seen = mine.counter(id);
            return seen.held > seen.limit;
        });
    });
    EXPECT_EQ(acting.join(), 0);
    onlooker.stop();
    EXPECT_FALSE(onlooker.saw_above());
    EXPECT_GT(onlooker.looks(), 100U);
    for (const auto id : kCounted) {
        const char* name = loader::beancounter_name(id);
        EXPECT_TRUE(mine.settles_at_zero(id)) << name << ": " << mine.counter(id).held;
        EXPECT_LE(mine.counter(id).maxheld, mine.counter(id).limit) << name;
        EXPECT_GT(mine.counter(id).maxheld, 0U) << name;
    }
    EXPECT_GT(mine.counter(BH_BEANCOUNTER_NUMFILE).failcnt, 0U) << "it was no storm";
    EXPECT_EQ(mine.state().internal, 0U) << "refused for want of a row";
    EXPECT_EQ(charged_objects(), 0U) << "rows of objects that are gone";
}

}  // namespace
}  // namespace bulkhead::tests
