// A thousand environments: how large the agent and a scrape become.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "loader/environments.h"
#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

constexpr int kThousand = 1000;

// Published records with a cgroup each, in which nothing runs: to the agent like any other. Taken
// away with the object.
class Thousand {
public:
    Thousand() {
        auto opened = loader::Environments::open();
        if (!opened) {
            ADD_FAILURE() << opened.error().message();
            return;
        }
        environments_.emplace(std::move(*opened));
        for (int i = 0; i < kThousand && make(i); ++i) {
        }
        EXPECT_EQ(labels_.size(), std::size_t{kThousand});
    }
    Thousand(const Thousand&) = delete;
    Thousand& operator=(const Thousand&) = delete;
    ~Thousand() {
        for (const bh_label label : labels_)
            EXPECT_TRUE(environments_->withdraw(label).value_or(false));
        for (std::size_t i = 0; i < labels_.size(); ++i)
            EXPECT_EQ(::rmdir(cgroup(name(static_cast<int>(i))).c_str()), 0);
    }

private:
    static std::string name(int i) { return "one-of-a-thousand-" + std::to_string(i); }
    static std::string cgroup(const std::string& name) { return "/sys/fs/cgroup/bulkhead/" + name; }

    bool make(int i) {
        struct stat info {};
        if (::mkdir(cgroup(name(i)).c_str(), 0755) != 0 ||
            ::stat(cgroup(name(i)).c_str(), &info) != 0)
            return false;
        const auto label = environments_->reserve(name(i));
        bh_environment record{};
        record.control = loader::kDefaultControl;
        record.cgroup_id = info.st_ino;
        record.cgroup_level = 2;
        record.init_pid = 1;  // it was started, and did not end
        record.started_ns = environments_->loaded_ns();
        if (!label || !environments_->publish(*label, record))
            return false;
        labels_.push_back(*label);
        return true;
    }

    std::optional<loader::Environments> environments_;
    std::vector<bh_label> labels_;
};

// In KiB, such as VmRSS.
long memory(pid_t pid, const std::string& kind) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;)
        if (word == kind + ":") {
            status >> word;
            return std::strtol(word.c_str(), nullptr, 10);
        }
    return -1;
}

TEST(AgentThousand, StaysSmall) {
    const Detached shown("shown", {"/bin/sleep", "1000"});
    const Thousand environments;
    const Agent agent;
    const std::string as_prometheus =
        "-H 'Accept: application/openmetrics-text; version=1.0.0' -H 'Accept-Encoding: gzip' "
        "--output /dev/null --write-out '%{http_code} %{size_download}' http://" +
        agent_address() + "/metrics";
    std::vector<std::future<Curled>> scrapes;
    constexpr int kScrapers = 10;
    scrapes.reserve(kScrapers);
    for (int i = 0; i < kScrapers; ++i)
        scrapes.push_back(std::async(std::launch::async, [&] { return curl(as_prometheus); }));
    for (auto& one : scrapes) {
        const std::string answer = one.get().out;
        ASSERT_TRUE(answer.starts_with("200 ")) << answer;
        const long bytes = std::strtol(answer.c_str() + 4, nullptr, 10);
        EXPECT_GT(bytes, 100'000);
        EXPECT_LE(bytes, 3'000'000);
    }
    EXPECT_EQ(curl("http://" + agent_address() + "/metrics | grep '^bulkhead_environments '").out,
              "bulkhead_environments " + std::to_string(kThousand + 1) + "\n");
    EXPECT_EQ(curl(as_prometheus).out.substr(0, 4), "200 ");
    RecordProperty("resident_kib", static_cast<int>(memory(agent.pid(), "VmRSS")));
    std::printf("agent with %d environments: %ld KiB resident, %ld KiB at most\n", kThousand + 1,
                memory(agent.pid(), "VmRSS"), memory(agent.pid(), "VmHWM"));
    EXPECT_LE(memory(agent.pid(), "VmRSS"), 25 * 1024);
}

}  // namespace
}  // namespace bulkhead::tests
