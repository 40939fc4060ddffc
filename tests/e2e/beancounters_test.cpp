// Bounds on kernel objects, as people set, read and explain them.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

// The row of `counter` of the environment web.
nlohmann::json row(const std::string& counter) {
    for (const nlohmann::json& one : bulkhead_json({"beancounters", "web"}))
        if (one.at("name") == counter)
            return one;
    ADD_FAILURE() << "no row for " << counter;
    return {};
}

// Opens descriptors until one is refused or it has 40, and says how many it got. In one process:
// each redirection is a file.
constexpr const char* kOpenMany =
    "i=10; while [ $i -lt 50 ] && eval \"exec $i</proc/self/status\" 2>/dev/null; do i=$((i+1)); "
    "done; echo $((i-10))";

int opened() {
    const Outcome outcome = bulkhead({"exec", "web", "--", "bash", "-c", kOpenMany});
    return outcome.out.empty() ? -1 : std::stoi(outcome.out);
}

// What the environment itself reads.
std::string inside() {
    return bulkhead({"exec", "web", "--", "cat", "/run/user_beancounters"}).out;
}

// The row of `counter` inside, a blank between words; empty: there is none.
std::string inside_row(const std::string& counter) {
    std::istringstream lines(inside());
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string row;
        for (std::string word; words >> word;)
            if (word == counter || !row.empty())
                row += (row.empty() ? "" : " ") + word;
        if (!row.empty())
            return row;
    }
    return "";
}

TEST(Beancounters, AreReadInsideAsOutside) {
    const Detached web("web", {"/bin/sleep", "1000"}, {"--beancounter", "numpty=5"});
    EXPECT_EQ(inside_row("numpty"), "numpty 0 0 5 5 0");
    EXPECT_EQ(inside_row("numfile"), "numfile - - - - -");
    EXPECT_EQ(inside_row("numiptent"), "numiptent - - - - -");
    for (const char* counter : {"nummnt", "tcpsndbuf", "tcprcvbuf", "othersockbuf", "dgramrcvbuf",
                                "numsiginfo", "numinotify"}) {
        const std::string held = row(counter).at("held").dump();
        EXPECT_EQ(inside_row(counter), std::string(counter) + " " + held + " - - - -");
    }
    EXPECT_NE(inside_row("privvmpages"), "privvmpages 0 - - - -");
    EXPECT_TRUE(eventually([] { return inside_row("kmemsize") != "kmemsize 0 - - - -"; }));
    std::size_t names = 0;
    for (const nlohmann::json& one : bulkhead_json({"beancounters", "web"}))
        names += inside_row(one.at("name").get<std::string>()).empty() ? 0 : 1;
    EXPECT_EQ(names, 22U) << inside();
}

TEST(Beancounters, AreReadInsideAndNotWritten) {
    const Detached web("web", {"/bin/sleep", "1000"}, {"--beancounter", "numpty=5"});
    const Detached other("other", {"/bin/sleep", "1000"});
    EXPECT_NE(inside().find("numpty"), std::string::npos) << inside();
    for (const char* act : {"echo 1 >/run/user_beancounters", "chmod 666 /run/user_beancounters",
                            "rm /run/user_beancounters"})
        EXPECT_NE(bulkhead({"exec", "web", "--", "sh", "-c", act}).exit_code, 0) << act;
    EXPECT_NE(bulkhead({"exec", "other", "--", "cat", "/run/user_beancounters"}).exit_code, 0)
        << "nobody asked for it";
}

TEST(Beancounters, AreSetReadAndExplained) {
    const Detached web("web", {"/bin/sleep", "1000"}, {"--beancounter", "numproc=20"});
    EXPECT_EQ(row("numproc").at("limit"), 20);
    EXPECT_GE(row("numproc").at("held"), 1);
    EXPECT_GT(row("physpages").at("held"), 0);
    EXPECT_TRUE(row("numfile").at("held").is_null()) << "nobody asked for it";
    EXPECT_EQ(opened(), 40);
    EXPECT_NE(inside().find("numproc"), std::string::npos) << inside();
    EXPECT_EQ(inside_row("numfile"), "numfile - - - - -");

    ASSERT_EQ(bulkhead({"set", "web", "--beancounter", "numfile=10:30"}).exit_code, 0);
    const int some = opened();
    EXPECT_GT(some, 0);
    EXPECT_LT(some, 40);
    EXPECT_GT(row("numfile").at("failcnt"), 0);
    EXPECT_EQ(row("numfile").at("maxheld"), 30);
    EXPECT_NE(inside_row("numfile"), "numfile - - - - -");
    EXPECT_TRUE(eventually([] { return row("numfile").at("held") == 0; }));
    const Outcome why = bulkhead({"why", "web"});
    EXPECT_NE(why.out.find("numfile: held 30, barrier 10, limit 30: ENFILE"), std::string::npos)
        << why.out;
    EXPECT_NE(why.out.find("past the barrier"), std::string::npos) << why.out;
    EXPECT_NE(why.out.find("--beancounter numfile="), std::string::npos) << why.out;

    ASSERT_EQ(bulkhead({"set", "web", "--beancounter", "numfile=unlimited"}).exit_code, 0);
    EXPECT_EQ(opened(), 40);
    EXPECT_EQ(bulkhead({"set", "web", "--beancounter", "numfile=2:1"}).exit_code, 2);
    EXPECT_EQ(bulkhead({"set", "web", "--allow", "beancounters"}).exit_code, 2);
}

// How many of five can be had; each stays until the process ends.
int had(const std::string& program) {
    const Outcome outcome = bulkhead({"exec", "web", "--", "perl", "-e", program});
    return outcome.out.empty() ? -1 : std::stoi(outcome.out);
}

constexpr const char* kLocks =
    "for (1..5) { open($f[$_], '<', '/etc/passwd') or die; "
    "flock($f[$_], 1) or do { print $_ - 1; exit } } print 5";
// inotify_init, inotify_add_watch
constexpr const char* kWatches =
    "$fd = syscall(253); for ('/', '/etc', '/usr', '/var', '/tmp') { "
    "$path = $_; last if syscall(254, $fd, $path, 2) < 0; $n++ } print $n + 0";

TEST(Beancounters, OfLocksWatchesAndSignalsAreSetReadAndExplained) {
    const Detached web("web", {"/bin/sleep", "1000"},
                       {"--beancounter", "numflock=3", "--beancounter", "numinotify=2",
                        "--beancounter", "numsiginfo=100"});
    EXPECT_EQ(had(kLocks), 3);
    EXPECT_EQ(had(kWatches), 2);
    EXPECT_EQ(row("numflock").at("failcnt"), 1);
    EXPECT_EQ(row("numflock").at("held"), 0);
    EXPECT_EQ(row("numinotify").at("maxheld"), 2);
    EXPECT_EQ(row("numsiginfo").at("limit"), 100);
    for (const char* counter : {"numflock", "numinotify", "numsiginfo"})
        EXPECT_NE(inside().find(counter), std::string::npos) << inside();
    const Outcome why = bulkhead({"why", "web"});
    EXPECT_NE(why.out.find("numflock: held 3, barrier 3, limit 3: ENOLCK"), std::string::npos)
        << why.out;
    EXPECT_NE(why.out.find("numinotify: held 2, barrier 2, limit 2: ENOSPC"), std::string::npos)
        << why.out;
    for (const char* bounds : {"numflock=unlimited", "numinotify=4"})
        ASSERT_EQ(bulkhead({"set", "web", "--beancounter", bounds}).exit_code, 0) << bounds;
    EXPECT_EQ(had(kLocks), 5);
    EXPECT_EQ(had(kWatches), 4);
}

// Shows no more than it takes: python3 needs less than half of the barrier to start.
std::string holds(int mebibytes) {
    return "x = bytearray(" + std::to_string(mebibytes) + " << 20); print(len(x))";
}

TEST(Beancounters, OfTheCgroupHaveBarriersAndExplainKills) {
    const Detached web(
        "web", {"/bin/sleep", "1000"},
        {"--swap", "0", "--beancounter", "numproc=5:20", "--beancounter", "physpages=10240:20480"});
    EXPECT_EQ(row("numproc").at("barrier"), 5);
    EXPECT_EQ(row("physpages").at("barrier"), 10240);
    EXPECT_EQ(row("physpages").at("limit"), 20480);
    EXPECT_EQ(bulkhead({"exec", "web", "--", "bash", "-c",
                        "for i in 1 2 3 4 5 6; do read <> <(:) & done; kill %1 %2 %3 %4 %5 %6"})
                  .exit_code,
              0);
    EXPECT_NE(bulkhead({"why", "web"})
                  .out.find("numproc: held 6, barrier 5, limit 20: EAGAIN (allowed: past the "
                            "barrier)"),
              std::string::npos)
        << bulkhead({"why", "web"}).out;
    EXPECT_EQ(bulkhead({"exec", "web", "--", "python3", "-c", holds(60)}).out, "62914560\n");
    EXPECT_TRUE(eventually([] {
        const std::string why = bulkhead({"why", "web"}).out;
        return why.find("physpages: held") != std::string::npos &&
               why.find("SIGKILL (allowed: past the barrier)") != std::string::npos;
    }));
    EXPECT_EQ(row("physpages").at("failcnt"), 0);
    EXPECT_EQ(bulkhead({"exec", "web", "--", "python3", "-c", holds(200)}).exit_code, 137);
    EXPECT_GT(row("physpages").at("failcnt"), 0);
    const std::string why = bulkhead({"why", "web", "--all"}).out;
    EXPECT_NE(why.find("oom_kill physpages: held"), std::string::npos) << why;
    EXPECT_NE(why.find("python3["), std::string::npos) << why;
    EXPECT_NE(why.find("limit 20480: SIGKILL\n"), std::string::npos) << why;

    ASSERT_EQ(bulkhead({"set", "web", "--beancounter", "physpages=unlimited"}).exit_code, 0);
    EXPECT_EQ(row("physpages").at("barrier"), "unlimited");
    EXPECT_EQ(bulkhead({"exec", "web", "--", "python3", "-c", holds(200)}).exit_code, 0);
}

TEST(Beancounters, WithoutABoundSayWhatTheyHoldAndWhy) {
    const Detached web("web", {"/bin/sleep", "1000"});
    for (const char* counter : {"nummnt", "privvmpages"})
        EXPECT_GT(row(counter).at("held"), 0) << counter;
    for (const char* counter : {"numinotify", "numsiginfo", "tcpsndbuf", "dgramrcvbuf"})
        EXPECT_EQ(row(counter).at("held"), 0) << counter;
    EXPECT_TRUE(row("numiptent").at("held").is_null());
    const Outcome refused = bulkhead({"set", "web", "--beancounter", "nummnt=5"});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("fs.mount-max"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace bulkhead::tests
