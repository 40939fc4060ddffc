// The Prometheus endpoint: the same numbers as `usage`, in the form Prometheus wants, to the
// distribution's own server.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <sstream>

#include "loader/pins.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/http.h"

namespace bulkhead::tests {
namespace {

constexpr int kPort = 19750;
constexpr int kPrometheusPort = 19090;
const Arguments kIdle = {"/bin/sleep", "1000"};

std::string listen_address() {
    return "127.0.0.1:" + std::to_string(kPort);
}

// `bulkhead agent`, answering. Killed with the object.
class Agent {
public:
    Agent() : agent_({"agent", "--listen", listen_address()}) {
        EXPECT_TRUE(eventually([] { return !http_get(kPort, "/metrics").empty(); }, 30));
    }
    [[nodiscard]] pid_t pid() const { return agent_.pid(); }

private:
    Running agent_;
};

// Sample with labels -> value, as the agent writes them.
std::map<std::string, double> scrape() {
    std::map<std::string, double> samples;
    std::istringstream text(http_get(kPort, "/metrics"));
    for (std::string line; std::getline(text, line);) {
        const auto space = line.rfind(' ');
        if (!line.starts_with('#') && space != std::string::npos)
            samples[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
    return samples;
}

std::string of(const char* metric, const char* more = "") {
    return std::string("bulkhead_environment_") + metric + "{environment=\"shown\"" + more + "}";
}

__u32 announced_port() {
    const auto meta = loader::map_pinned_array<bh_meta>(
        "bh_meta", 1, loader::MappedArray<bh_meta>::Access::kRead);
    return meta ? (*meta)[0].agent_port : ~0U;
}

TEST(Agent, ShowsTheSameNumbersAsUsage) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    // It is started when its memory no longer moves.
    nlohmann::json usage;
    std::map<std::string, double> samples;
    EXPECT_TRUE(eventually([&] {
        usage = bulkhead_json({"usage", "shown"});
        samples = scrape();
        return samples[of("memory_current_bytes")] ==
               usage["memory"]["current_bytes"].get<double>();
    }));
    EXPECT_EQ(samples[of("cpu_seconds_total", ",mode=\"user\"")],
              usage["cpu"]["user_ns"].get<double>() / 1e9);
    EXPECT_EQ(samples[of("cpu_seconds_total", ",mode=\"system\"")],
              usage["cpu"]["system_ns"].get<double>() / 1e9);
    EXPECT_EQ(samples[of("tasks")], usage["tasks"]["current"].get<double>());
    EXPECT_EQ(samples[of("memory_kind_bytes", ",kind=\"anon\"")],
              usage["memory"]["anon_bytes"].get<double>());
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
    const std::string metrics = http_get(kPort, "/metrics");
    EXPECT_NE(metrics.find("bulkhead_environment_cpu_seconds_total{"), std::string::npos);
    FILE* promtool = ::popen("promtool check metrics >/run/promtool.out 2>&1", "w");
    ASSERT_NE(promtool, nullptr);
    std::fwrite(metrics.data(), 1, metrics.size(), promtool);
    EXPECT_EQ(::pclose(promtool), 0);
    std::ifstream said("/run/promtool.out");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(said), {}), "");
}

TEST(Agent, SaysThatThePortIsTaken) {
    const Agent agent;
    const Outcome second = bulkhead({"agent", "--listen", listen_address()});
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_NE(second.err.find("Address already in use"), std::string::npos) << second.err;
}

TEST(Agent, RefusesNonsenseAsAddress) {
    EXPECT_EQ(bulkhead({"agent", "--listen", "nonsense"}).exit_code, 2);
}

TEST(Agent, AnnouncesItsPortWhileItRuns) {
    {
        const Agent agent;
        EXPECT_EQ(announced_port(), static_cast<__u32>(kPort));
        ::kill(agent.pid(), SIGTERM);
        EXPECT_TRUE(eventually([] { return announced_port() == 0; }));
    }
}

TEST(Agent, ServesWhatIsLeftWhenTheProgramsAreUnloaded) {
    const Agent agent;
    EXPECT_EQ(bulkhead({"unload"}).exit_code, 0);
    EXPECT_EQ(scrape()["bulkhead_environments"], 0);
    EXPECT_EQ(bulkhead({"load"}).exit_code, 0);
    const Detached shown("shown", kIdle);
    EXPECT_EQ(scrape()["bulkhead_environments"], 1);
    EXPECT_EQ(announced_port(), static_cast<__u32>(kPort));
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
        scrapes.push_back(std::async(
            std::launch::async, [i] { return http_get(i % 2 == 0 ? kPort : 19751, "/metrics"); }));
    for (auto& one : scrapes) {
        const std::string text = one.get();
        EXPECT_NE(text.find("\nbulkhead_up 1\n"), std::string::npos);
        EXPECT_NE(text.find("\nbulkhead_ledger_up 1\n"), std::string::npos);
    }
}

// The server that Debian ships, on a data folder in memory. Ended with the object.
class Prometheus {
public:
    Prometheus() {
        EXPECT_EQ(std::system("rm -rf /run/prometheus-test && mkdir /run/prometheus-test"), 0);
        std::ofstream(directory_ + "/config.yml")
            << "global: {scrape_interval: 5s}\nscrape_configs:\n- job_name: bulkhead\n"
            << "  static_configs: [{targets: ['" << listen_address() << "']}]\n";
        pid_ = ::fork();
        if (pid_ == 0) {
            const std::string config = "--config.file=" + directory_ + "/config.yml";
            const std::string data = "--storage.tsdb.path=" + directory_ + "/data";
            const std::string listen =
                "--web.listen-address=127.0.0.1:" + std::to_string(kPrometheusPort);
            ::execlp("prometheus", "prometheus", config.c_str(), data.c_str(), listen.c_str(),
                     "--log.level=error", nullptr);
            ::_exit(127);
        }
    }
    Prometheus(const Prometheus&) = delete;
    Prometheus& operator=(const Prometheus&) = delete;
    ~Prometheus() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    // The value of the one series that `expression` (URL-encoded) gives; empty when there is none.
    [[nodiscard]] static std::string query(const std::string& expression) {
        const std::string body = http_get(kPrometheusPort, "/api/v1/query?query=" + expression);
        const auto answer = nlohmann::json::parse(body, nullptr, false);
        if (answer.is_discarded() || answer["data"]["result"].size() != 1)
            return "";
        return answer["data"]["result"][0]["value"][1];
    }

private:
    const std::string directory_ = "/run/prometheus-test";
    pid_t pid_ = -1;
};

TEST(Agent, AnswersPromQlThroughPrometheus) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const Prometheus prometheus;
    // sum without (mode) (bulkhead_environment_cpu_seconds_total{environment="shown"})
    const std::string cpu =
        "sum%20without(mode)(bulkhead_environment_cpu_seconds_total"
        "%7Benvironment%3D%22shown%22%7D)";
    // A scrape that a slow guest missed leaves the series empty until the next one.
    std::string answer;
    ASSERT_TRUE(eventually([&] { return !(answer = Prometheus::query(cpu)).empty(); }, 90));
    const double usage = bulkhead_json({"usage", "shown"})["cpu"]["total_ns"].get<double>() / 1e9;
    EXPECT_GT(std::stod(answer), 0);
    EXPECT_LE(std::stod(answer), usage + 1e-9);
    EXPECT_TRUE(eventually([] { return Prometheus::query("bulkhead_environments") == "1"; }, 30));
}

}  // namespace
}  // namespace bulkhead::tests
