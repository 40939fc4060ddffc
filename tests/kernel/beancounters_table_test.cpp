// The table of beancounters as an environment reads it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "loader/beancounters.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

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

int has_no_row(const std::string& text, const std::string& counter) {
    return text.find(counter) == std::string::npos ? 0 : 202;
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
                                    has_no_row(text, "numtcpsock");
                         }),
              0);
    EXPECT_EQ(Actor::run(&other,
                         [&] {
                             const std::string text = read_whole(path);
                             return (text.find("resource") == std::string::npos ? 203 : 0) |
                                    has_no_row(text, "numfile");
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
