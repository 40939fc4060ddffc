// The agent as the distribution's own Prometheus sees it, with the rules and the dashboard's
// queries that are shipped.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>

#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/http.h"

namespace bulkhead::tests {
namespace {

constexpr int kPrometheusPort = 19090;
const Arguments kIdle = {"/bin/sleep", "1000"};

// The folder of what is shipped, beside the installed program.
std::string shipped(const std::string& file) {
    const std::string program = program_path();
    return program.substr(0, program.rfind("/bin/")) + "/share/bulkhead/prometheus/" + file;
}

std::string url_encoded(const std::string& text) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    std::string coded;
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        coded += '%';
        coded += kDigits[byte >> 4];
        coded += kDigits[byte & 15];
    }
    return coded;
}

// The server that Debian ships, on a data folder in memory. Ended with the object.
class Prometheus {
public:
    Prometheus() {
        EXPECT_EQ(std::system("rm -rf /run/prometheus-test && mkdir /run/prometheus-test"), 0);
        std::ofstream(directory_ + "/config.yml")
            << "global: {scrape_interval: 5s, evaluation_interval: 5s}\nrule_files: ['"
            << shipped("*.yml") << "']\nscrape_configs:\n- job_name: bulkhead\n"
            << "  static_configs: [{targets: ['" << agent_address() << "']}]\n";
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

    // The answer to GET; discarded when there is none.
    [[nodiscard]] static nlohmann::json get(const std::string& path) {
        return nlohmann::json::parse(http_get(kPrometheusPort, path), nullptr, false);
    }
    [[nodiscard]] static nlohmann::json answer(const std::string& expression) {
        return get("/api/v1/query?query=" + url_encoded(expression));
    }
    // The value of the one series that `expression` gives; empty when there is none.
    [[nodiscard]] static std::string value(const std::string& expression) {
        const auto answered = answer(expression);
        if (answered.is_discarded() || answered["data"]["result"].size() != 1)
            return "";
        return answered["data"]["result"][0]["value"][1];
    }

private:
    const std::string directory_ = "/run/prometheus-test";
    pid_t pid_ = -1;
};

TEST(AgentPrometheus, AnswersPromQlThroughPrometheus) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const Prometheus prometheus;
    const std::string cpu =
        "sum without(mode)(bulkhead_environment_cpu_seconds_total{environment=\"shown\"})";
    // A scrape that a slow guest missed leaves the series empty until the next one.
    std::string answer;
    ASSERT_TRUE(eventually([&] { return !(answer = Prometheus::value(cpu)).empty(); }, 90));
    const double usage = bulkhead_json({"usage", "shown"})["cpu"]["total_ns"].get<double>() / 1e9;
    EXPECT_GT(std::stod(answer), 0);
    EXPECT_LE(std::stod(answer), usage + 1e-9);
    EXPECT_TRUE(eventually([] { return Prometheus::value("bulkhead_environments") == "1"; }, 30));
}

// Prometheus took what the agent calls OpenMetrics: the older format has no such samples.
TEST(AgentPrometheus, ScrapesOpenMetrics) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const Prometheus prometheus;
    std::string created;
    ASSERT_TRUE(eventually(
        [&] {
            created =
                Prometheus::value("bulkhead_environment_forks_created{environment=\"shown\"}");
            return !created.empty();
        },
        90));
    const std::string started =
        Prometheus::value("bulkhead_environment_start_time_seconds{environment=\"shown\"}");
    EXPECT_NEAR(std::stod(created), std::stod(started), 1);
    EXPECT_EQ(Prometheus::value("count(bulkhead_build_info)"), "1");
    EXPECT_NE(Prometheus::value("bulkhead_environment_run_queue_wait_seconds_count"
                                "{environment=\"shown\"} == ignoring(le) "
                                "bulkhead_environment_run_queue_wait_seconds_bucket{le=\"+Inf\"}"),
              "");
}

// The server takes the rules, and answers every query of the dashboard; those that are not about
// what never happened here have data.
TEST(AgentPrometheus, AnswersTheRulesAndTheDashboard) {
    const Detached shown("shown", kIdle);
    const Agent agent;
    const Prometheus prometheus;
    ASSERT_TRUE(eventually(
        [] { return !Prometheus::value("environment:bulkhead_cpu_seconds:rate5m").empty(); }, 120));
    const auto rules = Prometheus::get("/api/v1/rules");
    ASSERT_EQ(rules["data"]["groups"].size(), 2U);
    for (const auto& group : rules["data"]["groups"])
        for (const auto& rule : group["rules"])
            EXPECT_NE(rule["health"], "err") << rule.dump();

    std::ifstream file(shipped("bulkhead-dashboard.json"));
    const auto dashboard = nlohmann::json::parse(file);
    unsigned queries = 0, with_data = 0;
    for (const auto& panel : dashboard["panels"]) {
        if (!panel.contains("targets"))
            continue;
        for (const auto& target : panel["targets"]) {
            std::string expression = target["expr"];
            for (const char* variable : {"\\$environment", "\\$instance"})
                expression = std::regex_replace(expression, std::regex(variable), ".*");
            expression = std::regex_replace(expression, std::regex("\\$__rate_interval"), "1m");
            EXPECT_EQ(expression.find('$'), std::string::npos) << expression;
            const auto answer = Prometheus::answer(expression);
            EXPECT_EQ(answer["status"], "success") << expression << answer.dump();
            ++queries;
            with_data += answer["data"]["result"].empty() ? 0 : 1;
        }
    }
    EXPECT_GE(queries, 25U);
    // Without data: refusals by class and the CPU limit, of which this environment has none.
    EXPECT_GE(with_data + 2, queries);
}

}  // namespace
}  // namespace bulkhead::tests
