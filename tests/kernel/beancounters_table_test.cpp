// The table of beancounters as an environment reads it.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "loader/beancounters.h"
#include "loader/held.h"
#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

std::string table() {
    const auto path = loader::beancounters_file();
    EXPECT_TRUE(path.has_value()) << path.error().message();
    return path ? *path : "/no/table";
}

// As the runtime does for an environment that is started with bounds.
void grant(BareEnvironment& environment, const std::string& path) {
    bh_environment record = environment.record();
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    record.granted[3] = {info.st_ino, device_of(path), 0};
    environment.publish(record);
}

std::string read_whole(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> part{};
    std::string text;
    for (ssize_t got = 0; (got = ::read(file.get(), part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(got));
    return text;
}

// 0 when the row of `counter` in `text` has these numbers.
int has_row(const std::string& text, const std::string& counter, const std::string& numbers) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        std::string rest;
        while (words >> word && word != counter)
            continue;
        while (words >> word)
            rest += (rest.empty() ? "" : " ") + word;
        if (!rest.empty())
            return rest == numbers ? 0 : 200;
    }
    return 201;
}

constexpr const char* kNotKnown = "- - - - -";

// What is held, by the row of `counter` in `text`; ~0: it does not say.
__u64 held_in(const std::string& text, const std::string& counter) {
    std::istringstream words(text);
    for (std::string word; words >> word;)
        if (word == counter && words >> word && word != "-")
            return std::stoull(word);
    return ~__u64{0};
}

// What an actor of the environment reads, which `prepare` prepared.
std::string read_inside(
    BareEnvironment& environment, const std::string& path,
    const std::function<int()>& prepare = [] { return 0; }) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd from(ends[0]);
    UniqueFd to(ends[1]);
    EXPECT_EQ(Actor::run(&environment,
                         [&] {
                             const int error = prepare();
                             const std::string text = read_whole(path);
                             if (::write(to.get(), text.data(), text.size()) < 0)
                                 return errno;
                             return error;
                         }),
              0);
    to.reset();
    std::array<char, 8192> text{};
    const ssize_t got = ::read(from.get(), text.data(), text.size());
    return std::string(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
}

FENCE_TEST(ShowsATableToItsOwnEnvironment, "bh_bc_table") {
    const std::string path = table();
    Bounded mine;
    BareEnvironment other("other");
    grant(mine, path);
    grant(other, path);
    mine.bound(BH_BEANCOUNTER_NUMFILE, {8, BH_UNLIMITED});
    // Reading it takes a file.
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const UniqueFd more(::open("/", O_RDONLY | O_CLOEXEC));
                             const std::string text = read_whole(path);
                             return has_row(text, "numfile", "2 2 8 9223372036854775807 0") |
                                    has_row(text, "numtcpsock", kNotKnown);
                         }),
              0);
    EXPECT_EQ(Actor::run(&other,
                         [&] {
                             const std::string text = read_whole(path);
                             return has_row(text, "numfile", kNotKnown);
                         }),
              0);
    EXPECT_EQ(read_whole(path), "") << "of whom?";
}

FENCE_TEST(ShowsWhatTheCgroupBounds, "bh_bc_table") {
    const std::string path = table();
    Bounded mine;
    grant(mine, path);
    std::ofstream(mine.cgroup() + "/pids.max") << 7;
    std::ofstream(mine.cgroup() + "/memory.max") << (64 << 20);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const std::string text = read_whole(path);
                             return has_row(text, "numproc", "1 1 7 7 0") |
                                    (text.find(" 16384 ") == std::string::npos ? 204 : 0);
                         }),
              0);
}

FENCE_TEST(ListsAllNamesInTheClassicOrder, "bh_bc_table") {
    const std::string path = table();
    Bounded mine;
    grant(mine, path);
    std::istringstream lines(read_inside(mine, path));
    std::string line;
    std::string names;
    std::getline(lines, line);
    EXPECT_EQ(line, "Version: 2.5");
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        EXPECT_EQ(line.size(), 12U + 12 + 5 * 21) << line;
        std::istringstream words(line.substr(12));
        std::string name;
        words >> name;
        names += name + " ";
    }
    EXPECT_EQ(names,
              "kmemsize lockedpages privvmpages shmpages numproc physpages numtcpsock numflock "
              "numpty numsiginfo tcpsndbuf tcprcvbuf othersockbuf dgramrcvbuf numothersock "
              "dcachesize numfile numiptent swappages numunixsock numinotify nummnt ");
}

// Whoever makes them readable brings them up to date.
FENCE_TEST(ShowsMemoryByKind, "bh_bc_table") {
    const std::string path = table();
    Bounded mine;
    grant(mine, path);
    const Actor holder(&mine, [] {
        const int file = ::memfd_create("held", MFD_CLOEXEC);
        const std::string data(8 << 20, 'x');
        EXPECT_EQ(::write(file, data.data(), data.size()), static_cast<ssize_t>(data.size()));
        void* const locked =
            ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_EQ(outcome(::mlock(locked, 1 << 20)), 0);
    });
    const __u64 shared = cgroup_number(mine, "memory.stat", "shmem") / 4096;
    const std::string text = read_inside(mine, path);
    EXPECT_GE(shared, 2048U);
    EXPECT_EQ(held_in(text, "shmpages"), shared);
    EXPECT_GE(held_in(text, "lockedpages"), 256U) << text;
    EXPECT_LT(held_in(text, "lockedpages"), 4096U) << text;
    EXPECT_GT(held_in(text, "kmemsize"), 0U);
    EXPECT_LT(held_in(text, "dcachesize"), held_in(text, "kmemsize")) << text;
}

bool is_empty(const std::string& map) {
    const UniqueFd fd(bpf_obj_get(loader::map_pin(map).c_str()));
    std::array<char, 16> key{};
    return bpf_map_get_next_key(fd.get(), nullptr, key.data()) != 0 && errno == ENOENT;
}

// Shared by two processes, and passed on to whoever reads.
void hold_sockets_and_mounts(const UserNamespace& inside) {
    EXPECT_EQ(inside.enter(), 0);
    EXPECT_EQ(outcome(::unshare(CLONE_NEWNS)), 0);
    std::array<int, 2> ends{};
    EXPECT_EQ(outcome(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.data())), 0);
    const std::array<char, 100> bytes{};
    EXPECT_EQ(::write(ends[0], bytes.data(), bytes.size()), 100);
    if (::fork() == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::pause();
        ::_exit(0);
    }
}

// The user namespace is the environment's own from now on.
void move_into(Bounded& mine, const UserNamespace& inside) {
    mine.allow(BH_CLASS_MOUNTS);
    bh_environment record = mine.record();
    record.user_ns = inside.inode();
    mine.publish(record);
}

FENCE_TEST(AddsUpWhatItsTasksHold, "bh_bc_table") {
    const std::string path = table();
    const UserNamespace inside;
    Bounded mine;
    grant(mine, path);
    move_into(mine, inside);
    const Actor holder(&mine, [&] { hold_sockets_and_mounts(inside); });
    EXPECT_EQ(has_row(read_inside(mine, path), "nummnt", kNotKnown), 0)
        << "who knows of whom it did not meet?";

    bh_environment record = mine.record();
    record.init_pid = static_cast<__u32>(holder.pid());
    mine.publish(record);
    const std::string text = read_inside(mine, path);
    const auto held = loader::read_held(mine.label());
    ASSERT_TRUE(held.has_value());
    EXPECT_GT(held->mounts, 0U);
    EXPECT_EQ(held_in(text, "nummnt"), held->mounts) << text;
    EXPECT_GT(held->other_sent_bytes, 0U) << "the sender has it until it is read";
    EXPECT_EQ(held_in(text, "dgramrcvbuf"), held->other_received_bytes) << text;
    EXPECT_EQ(held_in(text, "othersockbuf"), held->other_sent_bytes) << text;
    EXPECT_EQ(held_in(text, "tcprcvbuf"), 0U) << text;
    EXPECT_GT(held_in(text, "privvmpages"), held->private_pages) << "the reader's, too";
    EXPECT_TRUE(is_empty("bh_table_passes") && is_empty("bh_table_seen")) << "left of a pass";
}

FENCE_TEST(ShowsWhatTheKernelCountsToUsers, "bh_bc_table") {
    const std::string path = table();
    const UserNamespace inside;
    Bounded mine;
    grant(mine, path);
    move_into(mine, inside);
    const std::string text = read_inside(mine, path, [&] {
        const int instance = ::inotify_init1(IN_CLOEXEC);
        if (const int error = inside.enter())
            return error;
        const int watching = ::inotify_init1(IN_CLOEXEC);
        return outcome(instance) | outcome(::inotify_add_watch(watching, "/", IN_CREATE)) |
               outcome(::inotify_add_watch(watching, "/etc", IN_CREATE));
    });
    EXPECT_EQ(has_row(text, "numinotify", "2 - - - -"), 0) << text;
    EXPECT_EQ(has_row(text, "numsiginfo", "0 - - - -"), 0) << text;
    EXPECT_EQ(has_row(read_inside(mine, path), "numinotify", kNotKnown), 0)
        << "read outside of the namespace";
}

int make_terminal() {
    return ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

// How many the machine has.
int terminals() {
    return std::atoi(read_whole("/proc/sys/kernel/pty/nr").c_str());
}

FENCE_TEST(RefusesTerminalsAboveTheLimit, "bh_bc_pty") {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMPTY, {2, 2});
    const int before = terminals();
    const auto three = [&] {
        const UniqueFd first(make_terminal());
        const UniqueFd second(make_terminal());
        const int error = outcome(make_terminal());
        if (error != 0 && terminals() != before + 2)
            return 205;
        return error;
    };
    EXPECT_EQ(Actor::run(&mine, three), ENOSPC);
    const bh_beancounter counter = mine.counter(BH_BEANCOUNTER_NUMPTY);
    EXPECT_EQ(counter.held, 0U);
    EXPECT_EQ(counter.maxheld, 2U);
    EXPECT_EQ(counter.failcnt, 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_open);
    EXPECT_EQ(row.error, -ENOSPC);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMPTY);
    EXPECT_EQ(Actor::run(nullptr, three), 0);
    mine.unbound(BH_BEANCOUNTER_NUMPTY);
    EXPECT_EQ(Actor::run(&mine, three), 0);
}

// The file of a master end is counted twice, as what it is and as a terminal.
FENCE_TEST(TakesTerminalsOffWithTheirMasters, "bh_bc_pty_end") {
    const Pair pair;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMPTY, {4, 4});
    mine.bound(BH_BEANCOUNTER_NUMFILE, {8, 8});
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(pair.send_descriptor(make_terminal())); }), 0);
    UniqueFd received = pair.receive_descriptor();
    ASSERT_TRUE(received);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPTY).held, 1U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 1U);
    received.reset();
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPTY).held, 0U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFILE).held, 0U);
}

// Not opened for its purpose: no terminal is made, and none counted.
TEST(Fence, CountsNoTerminalThatWasNotMade) {
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMPTY, {1, 1});
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const UniqueFd place(::open("/dev/ptmx", O_PATH | O_CLOEXEC));
                             const UniqueFd other(::open("/dev/null", O_RDWR | O_CLOEXEC));
                             return outcome(make_terminal());
                         }),
              0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMPTY).maxheld, 1U);
}

}  // namespace
}  // namespace bulkhead::tests
