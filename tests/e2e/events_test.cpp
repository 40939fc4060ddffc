// events: each life told once, by whoever ended it, and what a watcher sees beside.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

using nlohmann::json;

std::vector<json> parse_lines(std::istream& lines) {
    std::vector<json> events;
    // A last line without its end is still being written.
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
        events.push_back(json::parse(line, nullptr, false));
        EXPECT_TRUE(events.back().is_object()) << line;
    }
    return events;
}

std::vector<json> events_of(const std::string& name) {
    const Outcome outcome = bulkhead({"events", name, "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    std::istringstream lines(outcome.out);
    return parse_lines(lines);
}

std::vector<std::string> kinds(const std::vector<json>& events) {
    std::vector<std::string> found;
    found.reserve(events.size());
    for (const json& event : events)
        found.push_back(event.value("event", ""));
    return found;
}

TEST(Events, AStartAndItsEndAreToldOnce) {
    EXPECT_EQ(run({"--name", "brief"}, {"sh", "-c", "exit 7"}).exit_code, 7);
    const auto events = events_of("brief");
    EXPECT_EQ(kinds(events), (std::vector<std::string>{"started", "ended"}));
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].at("command"), (json{"sh", "-c", "exit 7"}));
    EXPECT_EQ(events[1].at("exit_code"), 7);
    EXPECT_LT(events[0].at("time").get<std::string>(), events[1].at("time").get<std::string>());
}

TEST(Events, AnEndThatNobodyMindedIsToldByTheNextCommand) {
    EXPECT_EQ(run({"--name", "unminded", "--detach", "--keep"}, {"sh", "-c", "exit 5"}).exit_code,
              0);
    const auto is_told = [] { return kinds(events_of("unminded")).size() == 2; };
    EXPECT_TRUE(eventually([&] { return bulkhead({"list"}).exit_code == 0 && is_told(); }));
    // A kept environment is looked at by every command.
    EXPECT_EQ(bulkhead({"list"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"destroy", "unminded"}).exit_code, 0);
    const auto events = events_of("unminded");
    EXPECT_EQ(kinds(events), (std::vector<std::string>{"started", "ended", "destroyed"}));
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(events[1].at("exit_code"), 5);
}

// Until it is stopped, into a file.
class Follower {
public:
    explicit Follower(const std::string& name) : pid_(::fork()) {
        if (pid_ == 0) {
            if (::freopen(kOutput, "w", stdout) == nullptr)
                ::_exit(127);
            ::execl(program_path().c_str(), "bulkhead", "events", name.c_str(), "--follow",
                    "--json", nullptr);
            ::_exit(127);
        }
    }
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    ~Follower() {
        ::kill(pid_, SIGTERM);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
        ::unlink(kOutput);
    }

    void pause() const { ::kill(pid_, SIGSTOP); }
    void go_on() const { ::kill(pid_, SIGCONT); }

    [[nodiscard]] bool has(const std::string& kind, const std::string& hook = "") const {
        std::ifstream lines(kOutput);
        const auto events = parse_lines(lines);
        return std::any_of(events.begin(), events.end(), [&](const json& event) {
            return event.value("event", "") == kind && event.value("hook", "") == hook;
        });
    }

    [[nodiscard]] int count(const std::string& kind) const {
        std::ifstream lines(kOutput);
        const auto told = kinds(parse_lines(lines));
        return static_cast<int>(std::count(told.begin(), told.end(), kind));
    }

private:
    static constexpr const char* kOutput = "/tmp/followed-events";
    pid_t pid_;
};

TEST(Events, WhoFollowsSeesRefusalsAndLimits) {
    const Follower follower("seen");
    const Detached environment("seen", {"sleep", "600"}, {"--memory", "32M", "--pids", "20"});
    EXPECT_TRUE(eventually([&] { return follower.has("started"); }));

    EXPECT_NE(bulkhead({"exec", "seen", "--", "mount", "-t", "tmpfs", "none", "/mnt"}).exit_code,
              0);
    EXPECT_TRUE(eventually([&] { return follower.has("refused", "sb_mount"); }));

    EXPECT_FALSE(follower.has("policy"));
    EXPECT_EQ(bulkhead({"set", "seen", "--allow", "mounts"}).exit_code, 0);
    EXPECT_TRUE(eventually([&] { return follower.has("policy"); }));

    EXPECT_FALSE(follower.has("process-limit"));
    (void)bulkhead(
        {"exec", "seen", "--", "sh", "-c", "for i in $(seq 40); do sleep 5 & done; wait"});
    EXPECT_TRUE(eventually([&] { return follower.has("process-limit"); }));

    EXPECT_FALSE(follower.has("oom-kill"));
    EXPECT_NE(bulkhead({"exec", "seen", "--", "python3", "-c", "bytearray(200 << 20)"}).exit_code,
              0);
    EXPECT_TRUE(eventually([&] { return follower.has("memory-limit"); }));
    EXPECT_TRUE(eventually([&] { return follower.has("oom-kill"); }));
}

// What the journal already holds: two thirds of where it is put aside, of which one line is no
// JSON.
void fill_journal(const std::string& environment) {
    std::ofstream journal("/run/bulkhead/.events", std::ios::app);
    const json filler = {{"time", "2000-01-01T00:00:00.000000000Z"},
                         {"event", "filler"},
                         {"environment", environment},
                         {"padding", std::string(1000, 'x')}};
    journal << "{\"event\": torn\n";
    for (int line = 0; line < 660; ++line)
        journal << filler.dump() << '\n';
}

TEST(Events, WhoFollowsLosesNothingWhenTheJournalIsPutAside) {
    const auto older_inode = [] {
        struct stat info {};
        return ::stat("/run/bulkhead/.events.1", &info) == 0 ? info.st_ino : 0;
    };
    EXPECT_EQ(run({"--name", "aside"}, {"true"}).exit_code, 0);
    const auto before = older_inode();
    const Follower follower("aside");
    EXPECT_TRUE(eventually([&] { return follower.has("ended"); }));
    follower.pause();
    fill_journal("aside");
    fill_journal("aside");
    // The next to write finds it too long, and begins another one.
    EXPECT_EQ(run({"--name", "aside"}, {"sh", "-c", "exit 9"}).exit_code, 9);
    EXPECT_NE(older_inode(), before);
    follower.go_on();
    EXPECT_TRUE(eventually([&] { return follower.count("ended") == 2; }));
    EXPECT_EQ(follower.count("started"), 2);
    EXPECT_EQ(follower.count("filler"), 1320);

    const auto told = kinds(events_of("aside"));
    EXPECT_EQ(std::count(told.begin(), told.end(), "filler"), 1320);
    EXPECT_EQ(std::count(told.begin(), told.end(), "ended"), 2);
}

TEST(Events, OneEnvironmentIsNotToldOfAnother) {
    EXPECT_EQ(run({"--name", "other"}, {"true"}).exit_code, 0);
    for (const json& event : events_of("mine"))
        ADD_FAILURE() << event;
    EXPECT_FALSE(events_of("other").empty());
}

}  // namespace
}  // namespace bulkhead::tests
