// The Prometheus endpoint: the same numbers as `usage`, in the form Prometheus wants.
#include "tests/e2e/agent.h"

#include <signal.h>

#include <cstdio>
#include <fstream>
#include <future>
#include <map>

#include "loader/pins.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/http.h"

namespace bulkhead::tests {
namespace {

const Arguments kIdle = {"/bin/sleep", "1000"};

std::string of(const char* metric, const char* more = "") {
    return std::string("bulkhead_environment_") + metric + "{environment=\"shown\"" + more + "}";
}

TEST(Agent, ShowsTheSameNumbersAsUsage) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    // It is started when its memory no longer moves, and its kinds follow later: on 7.2 the kernel
    // adds them up when enough came together.
    nlohmann::json usage;
    std::map<std::string, double> samples;
    EXPECT_TRUE(eventually([&] {
        usage = bulkhead_json({"usage", "shown"});
        samples = scrape();
        return samples[of("memory_current_bytes")] ==
                   usage["memory"]["current_bytes"].get<double>() &&
               samples[of("memory_kind_bytes", ",kind=\"anon\"")] ==
                   usage["memory"]["anon_bytes"].get<double>();
    }));
    EXPECT_EQ(samples[of("cpu_seconds_total", ",mode=\"user\"")],
              usage["cpu"]["user_ns"].get<double>() / 1e9);
    EXPECT_EQ(samples[of("cpu_seconds_total", ",mode=\"system\"")],
              usage["cpu"]["system_ns"].get<double>() / 1e9);
    EXPECT_EQ(samples[of("tasks")], usage["tasks"]["current"].get<double>());
    EXPECT_EQ(samples["bulkhead_environments"], 1);
    EXPECT_EQ(samples["bulkhead_up"], 1);
}

TEST(Agent, CountsRefusalsByClass) {
    const Detached shown("shown", {"/bin/sh", "-c", "mount -t tmpfs none /mnt; sleep 1000"});
    const Agent agent;
    nlohmann::json refused;
    ASSERT_TRUE(eventually([&] {
        refused = bulkhead_json({"usage", "shown"})["refusals"]["by_class"];
        return !refused.empty();
    }));
    const auto samples = scrape();
    for (const auto& [name, count] : refused.items()) {
        const auto found = samples.find(of("refusals_total", (",class=\"" + name + "\"").c_str()));
        ASSERT_NE(found, samples.end()) << name;
        EXPECT_GE(found->second, count.get<double>()) << name;
    }
}

TEST(Agent, IsCleanToPromtool) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const std::string metrics = http_get(kAgentPort, "/metrics");
    EXPECT_NE(metrics.find("bulkhead_environment_cpu_seconds_total{"), std::string::npos);
    FILE* promtool = ::popen("promtool check metrics >/run/promtool.out 2>&1", "w");
    ASSERT_NE(promtool, nullptr);
    std::fwrite(metrics.data(), 1, metrics.size(), promtool);
    EXPECT_EQ(::pclose(promtool), 0);
    std::ifstream said("/run/promtool.out");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(said), {}), "");
}

// What programs and maps do: runs only while the kernel counts them.
TEST(Agent, TellsOfProgramsMapsAndItself) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const std::string runs = "bulkhead_program_runs_total{program=\"bh_file_open\"}";
    const auto set_stats = [](const char* to) {
        std::ofstream("/proc/sys/kernel/bpf_stats_enabled") << to;
    };
    set_stats("1");
    auto before = scrape();
    EXPECT_EQ(before["bulkhead_program_stats_enabled"], 1);
    EXPECT_TRUE(before.contains(runs));
    std::ifstream("/proc/self/status").get();
    auto after = scrape();
    set_stats("0");
    EXPECT_GT(after[runs], before[runs]);
    EXPECT_GT(after["bulkhead_program_run_seconds_total{program=\"bh_file_open\"}"], 0);
    auto still = scrape();
    EXPECT_EQ(still["bulkhead_program_stats_enabled"], 0);
    std::ifstream("/proc/self/status").get();
    EXPECT_EQ(scrape()[runs], still[runs]);

    EXPECT_EQ(still["bulkhead_map_entries{map=\"bh_envs\"}"], 1);
    EXPECT_EQ(still["bulkhead_map_max_entries{map=\"bh_envs\"}"], BH_MAX_ENVIRONMENTS);
    EXPECT_EQ(still["bulkhead_map_max_entries{map=\"bh_objects\"}"], BH_MAX_OBJECTS);
    EXPECT_EQ(still.at(of("events_dropped_total", ",kind=\"refusal\"")), 0);
    EXPECT_GT(still["process_resident_memory_bytes"], 1 << 20);
    EXPECT_LT(still["process_resident_memory_bytes"], 25 << 20);
    EXPECT_GT(still["bulkhead_scrape_duration_seconds"], 0);
}

// Addresses that listen on this port, as /proc has them.
std::vector<std::string> listening_on(int port) {
    char suffix[8];
    std::snprintf(suffix, sizeof suffix, ":%04X", static_cast<unsigned>(port));
    std::vector<std::string> found;
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream file(table);
        std::string index, local, remote, state, line;
        while (file >> index >> local >> remote >> state && std::getline(file, line))
            if (state == "0A" && local.ends_with(suffix))
                found.push_back(local);
    }
    return found;
}

TEST(Agent, ListensOnLoopbackOnlyUnlessToldOtherwise) {
    constexpr int kDefaultPort = 9750;
    const Running agent({"agent"});
    EXPECT_TRUE(eventually([] { return is_listening(kDefaultPort); }, 30));
    EXPECT_EQ(listening_on(kDefaultPort), std::vector<std::string>{"0100007F:2616"});
}

TEST(Agent, SaysThatThePortIsTaken) {
    const Agent agent;
    const Outcome second = bulkhead({"agent", "--listen", agent_address()});
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_NE(second.err.find("Address already in use"), std::string::npos) << second.err;
}

TEST(Agent, RefusesNonsenseAsAddress) {
    EXPECT_EQ(bulkhead({"agent", "--listen", "nonsense"}).exit_code, 2);
}

TEST(Agent, AnnouncesItsPortWhileItRuns) {
    {
        const Agent agent;
        EXPECT_EQ(announced_port(), static_cast<__u32>(kAgentPort));
        ::kill(agent.pid(), SIGTERM);
        EXPECT_TRUE(eventually([] { return announced_port() == 0; }));
    }
}

// An ended environment's series go at the next scrape; what it used stays in the sums, and does so
// when the agent is killed and starts again.
TEST(Agent, KeepsTheSumsOfWhatEnded) {
    const std::string sum = "bulkhead_retired_cpu_seconds_total{mode=\"user\"}";
    const std::string count = "bulkhead_retired_environments_total";
    const std::string series =
        "bulkhead_environment_cpu_seconds_total{environment=\"retired\",mode=\"user\"}";
    std::map<std::string, double> before, after;
    {
        const Agent agent;
        const Detached ended(
            "retired",
            {"/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 0"});
        EXPECT_TRUE(eventually([] { return !bulkhead_json({"receipts", "retired"}).empty(); }, 30));
        before = scrape();
        EXPECT_FALSE(before.contains(series)) << "it is kept, but ended";
        EXPECT_EQ(before["bulkhead_environments"], 0);
        EXPECT_EQ(before["bulkhead_ledger_up"], 1);
        EXPECT_GT(before[sum], 0);
        EXPECT_GE(before[count], 1);
    }
    const Agent again;
    after = scrape();
    EXPECT_EQ(after[sum], before[sum]);
    EXPECT_EQ(after[count], before[count]);
    const Outcome ran = run({"--name", "retired"}, {"/bin/true"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    const auto later = scrape();
    EXPECT_EQ(later.at(count), after[count] + 1);
    for (const auto& [name, value] : after)
        if (name.starts_with("bulkhead_retired_")) {
            EXPECT_GE(later.at(name), value) << name << " went back";
        }
}

TEST(Agent, AnswersTenScrapersAndASecondAgentAtOnce) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const Running second({"agent", "--listen", "127.0.0.1:19751"});
    EXPECT_TRUE(eventually([] { return !http_get(19751, "/metrics").empty(); }, 30));
    constexpr int kScrapers = 10;
    std::vector<std::future<std::string>> scrapes;
    scrapes.reserve(kScrapers);
    for (int i = 0; i < kScrapers; ++i)
        scrapes.push_back(std::async(std::launch::async, [i] {
            return http_get(i % 2 == 0 ? kAgentPort : 19751, "/metrics");
        }));
    for (auto& one : scrapes) {
        const std::string text = one.get();
        EXPECT_NE(text.find("\nbulkhead_up 1\n"), std::string::npos);
        EXPECT_NE(text.find("\nbulkhead_ledger_up 1\n"), std::string::npos);
    }
}

}  // namespace
}  // namespace bulkhead::tests
