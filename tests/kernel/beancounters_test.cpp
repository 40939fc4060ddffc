// Beancounters: what is made above a limit is refused with the kernel's own errno, and what was
// counted is taken off whoever frees it.
#include "loader/beancounters.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr __u64 kLimit = 10;

// How often `make` succeeds in a row, at most `most` times; what it made lives as long as the
// process. Its errno at the end, 0 when it never failed, is left in `error`.
template <typename Make>
int made(int most, int& error, Make make) {
    for (int count = 0; count < most; ++count) {
        error = outcome(make());
        if (error != 0)
            return count;
    }
    return most;
}

int make_file() {
    return ::eventfd(0, EFD_CLOEXEC);
}

// 0 when exactly `wanted` can be made and then `error` is what is said.
template <typename Make>
int makes(int wanted, int error, Make make) {
    int seen = 0;
    const int count = made(wanted + 5, seen, make);
    return count == wanted && seen == error ? 0 : 200;
}

FENCE_TEST(RefusesFilesAboveTheLimit, "bh_bc_file", "bh_bc_file_mod") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(Actor::run(&mine, [] { return makes(kLimit, ENFILE, make_file); }), 0);
    const bh_beancounter counter = mine.counter(BH_BEANCOUNTER_NUMFILE);
    EXPECT_EQ(counter.held, 0U) << "the process is gone";
    EXPECT_EQ(counter.maxheld, kLimit);
    EXPECT_EQ(counter.failcnt, 1U);
    EXPECT_EQ(mine.state().refused[BH_CLASS_BEANCOUNTERS], 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_alloc_security);
    EXPECT_EQ(row.error, -ENFILE);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMFILE);
    EXPECT_EQ(row.object[1], kLimit);
    EXPECT_EQ(row.object[3], kLimit);

    EXPECT_EQ(Actor::run(nullptr, [] { return makes(3 * kLimit, 0, make_file); }), 200)
        << "the host ran into the limit or makes() cannot tell";
    mine.unbound(BH_BEANCOUNTER_NUMFILE);
    int error = 0;
    EXPECT_EQ(Actor::run(&mine, [&] { return made(3 * kLimit, error, make_file); }), 3 * kLimit);
}

// The policy's mode is of its rules; a limit is none of them.
TEST(Fence, LimitsFilesInAuditModeToo) {
    Bounded mine;
    mine.set_mode(BH_MODE_AUDIT);
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(Actor::run(&mine, [] { return makes(kLimit, ENFILE, make_file); }), 0);
}

TEST(Fence, LimitsFilesOfOneEnvironmentOnly) {
    Bounded mine;
    BareEnvironment other("other");
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    int error = 0;
    EXPECT_EQ(Actor::run(&other, [&] { return made(3 * kLimit, error, make_file); }), 3 * kLimit);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).maxheld, 0U);
}

TEST(Fence, CountsNoFileTwice) {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const int fd = make_file();
                             for (__u64 i = 0; i < 2 * kLimit; ++i)
                                 if (::dup(fd) < 0)
                                     return errno;
                             const pid_t child = ::fork();
                             if (child == 0)
                                 ::_exit(0);
                             return outcome(::waitpid(child, nullptr, 0));
                         }),
              0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).maxheld, 1U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 0U);
}

FENCE_TEST(TakesFilesOffWhoeverFreesThem, "bh_bc_file_end") {
    const Pair pair;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(pair.send_descriptor(make_file())); }), 0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 1U) << "on its way";
    UniqueFd received = pair.receive_descriptor();
    ASSERT_TRUE(received);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 1U) << "the host's hands do not make it";
    received.reset();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 0U);
}

TEST(Fence, WarnsPastTheBarrierAndAllows) {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {3, kLimit});
    EXPECT_EQ(Actor::run(&mine, [] { return makes(kLimit, ENFILE, make_file); }), 0);
    EXPECT_EQ(mine.state().refusal_count, 2U) << "the barrier once, the limit once";
    mine.bound(BH_BEANCOUNTER_NUMFILE, {3, 5});
    ::usleep(1'100'000);
    EXPECT_EQ(Actor::run(&mine, [] { return outcome(make_file()) | outcome(make_file()); }), 0);
    EXPECT_EQ(mine.state().refusal_count, 2U) << "below the barrier";
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             int error = 0;
                             return made(4, error, make_file);
                         }),
              4);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_alloc_security);
    EXPECT_EQ(row.flags, BH_REFUSAL_WARNED);
    EXPECT_EQ(row.object[2], 3U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).failcnt, 1U);
}

template <int Family, int Type>
int make_socket() {
    return ::socket(Family, Type | SOCK_CLOEXEC, 0);
}

FENCE_TEST(RefusesSocketsAboveTheLimit, "bh_bc_sock") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMTCPSOCK, {2, 2});
    mine.bound(BH_BEANCOUNTER_NUMUNIXSOCK, {3, 3});
    mine.bound(BH_BEANCOUNTER_NUMOTHERSOCK, {4, 4});
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             return makes(2, ENOBUFS, make_socket<AF_INET6, SOCK_STREAM>) |
                                    makes(3, ENOBUFS, make_socket<AF_UNIX, SOCK_STREAM>) |
                                    makes(4, ENOBUFS, make_socket<AF_INET, SOCK_DGRAM>);
                         }),
              0);
    for (const auto counter :
         {BH_BEANCOUNTER_NUMTCPSOCK, BH_BEANCOUNTER_NUMUNIXSOCK, BH_BEANCOUNTER_NUMOTHERSOCK}) {
        EXPECT_EQ(mine.counter(counter).failcnt, 1U) << loader::beancounter_name(counter);
        EXPECT_EQ(mine.counter(counter).maxheld, mine.counter(counter).limit);
    }
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_socket_post_create);
    EXPECT_EQ(row.error, -ENOBUFS);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMOTHERSOCK);
    mine.unbound(BH_BEANCOUNTER_NUMTCPSOCK);
    EXPECT_EQ(Actor::run(&mine, [] { return makes(7, 0, make_socket<AF_INET, SOCK_STREAM>); }), 200)
        << "not bounded any more";
}

FENCE_TEST(TakesSocketsOffWhoeverFreesThem, "bh_bc_sock_end") {
    const Pair pair;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMTCPSOCK, {kLimit, kLimit});
    const auto send = [&] {
        return outcome(pair.send_descriptor(make_socket<AF_INET, SOCK_STREAM>()));
    };
    EXPECT_EQ(Actor::run(&mine, send), 0);
    UniqueFd received = pair.receive_descriptor();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMTCPSOCK).held, 1U);
    received.reset();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMTCPSOCK).held, 0U);
}

// A connection that is not accepted for want of room waits in the queue.
FENCE_TEST(RefusesToAcceptAboveTheLimit, "bh_bc_accept") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMUNIXSOCK, {2, 2});
    const auto accept_late = [] {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strcpy(name.sun_path + 1, "bulkhead-counted");
        const auto* address = reinterpret_cast<const sockaddr*>(&name);
        const int listener = make_socket<AF_UNIX, SOCK_STREAM>();
        const int client = make_socket<AF_UNIX, SOCK_STREAM>();
        if (::bind(listener, address, sizeof name) != 0 || ::listen(listener, 4) != 0 ||
            ::connect(client, address, sizeof name) != 0)
            return errno;
        if (outcome(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) != ENOBUFS)
            return 200;
        ::close(client);
        return outcome(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    };
    EXPECT_EQ(Actor::run(&mine, accept_late), 0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMUNIXSOCK).failcnt, 1U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMUNIXSOCK).maxheld, 2U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMUNIXSOCK).held, 0U);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_socket_accept).error, -ENOBUFS);
}

// The errno of the second; the first lives until then.
int fork_twice() {
    const pid_t first = ::fork();
    if (first == 0) {
        ::pause();
        ::_exit(0);
    }
    const pid_t second = ::fork();
    const int error = outcome(second);
    if (second == 0)
        ::_exit(0);
    ::kill(first, SIGKILL);
    while (::wait(nullptr) > 0)
        continue;
    return error;
}

FENCE_TEST(WarnsOfTasksPastTheBarrierAndAllows, "bh_bc_fork") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMPROC, {2, 9});
    EXPECT_EQ(Actor::run(&mine, fork_twice), 0);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_cgroup_can_fork);
    EXPECT_EQ(row.flags, BH_REFUSAL_WARNED);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_NE(row.pid, 0U);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMPROC);
    EXPECT_EQ(row.object[1], 3U);
    EXPECT_EQ(row.object[2], 2U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPROC).failcnt, 0U);
    EXPECT_EQ(mine.state().refusal_count, 1U);
    ::usleep(1'100'000);
    mine.bound(BH_BEANCOUNTER_NUMPROC, {3, 9});
    EXPECT_EQ(Actor::run(&mine, fork_twice), 0);
    EXPECT_EQ(mine.state().refusal_count, 1U) << "below the barrier";
}

// The kernel refuses; the program says why.
FENCE_TEST(ExplainsTasksAboveTheLimit, "bh_bc_fork") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMPROC, {2, 2});
    std::ofstream(mine.cgroup() + "/pids.max") << 2;
    EXPECT_EQ(Actor::run(&mine, fork_twice), EAGAIN);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPROC).failcnt, 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_cgroup_can_fork);
    EXPECT_EQ(row.error, -EAGAIN);
    EXPECT_EQ(row.object[3], 2U);
    std::ofstream(mine.cgroup() + "/pids.max") << "max";
    EXPECT_EQ(Actor::run(&mine, fork_twice), 0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPROC).failcnt, 1U);
}

bool is_attached(const char* program) {
    return ::access(loader::link_pin(program).c_str(), F_OK) == 0;
}

TEST(Fence, CountsOnlyWhileABoundAsksForIt) {
    EXPECT_FALSE(is_attached("bh_bc_file_end"));
    {
        Bounded mine;
        mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
        EXPECT_TRUE(is_attached("bh_bc_file_end"));
        EXPECT_FALSE(is_attached("bh_bc_sock_end")) << "nobody asks for sockets";
        mine.bound(BH_BEANCOUNTER_NUMUNIXSOCK, {kLimit, kLimit});
        EXPECT_TRUE(is_attached("bh_bc_sock_end"));
        mine.unbound(BH_BEANCOUNTER_NUMFILE);
        EXPECT_FALSE(is_attached("bh_bc_file_end"));
    }
    EXPECT_FALSE(is_attached("bh_bc_sock_end")) << "the environment is gone";
}

// What was counted before a break may have ended in it.
TEST(Fence, CountsFromZeroAfterABreak) {
    const Pair pair;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(pair.send_descriptor(make_file())); }), 0);
    UniqueFd received = pair.receive_descriptor();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 1U);
    mine.unbound(BH_BEANCOUNTER_NUMFILE);
    mine.bound(BH_BEANCOUNTER_NUMFILE, {kLimit, kLimit});
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 0U);
    received.reset();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 0U) << "below zero";
}

}  // namespace
}  // namespace bulkhead::tests
