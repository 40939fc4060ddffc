// Adopting a service that others started, from the command line.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kCgroup = "/sys/fs/cgroup/shop.service";

// A shell in a cgroup of its own that does the same again and again: looks at the kernel's log.
class Service {
public:
    explicit Service(const char* script = "while :; do dmesg >/dev/null; sleep 0.05; done") {
        std::filesystem::create_directory(kCgroup);
        pid_ = ::fork();
        if (pid_ == 0) {
            std::ofstream(std::string(kCgroup) + "/cgroup.procs") << "0";
            const int null = ::open("/dev/null", O_RDWR);
            for (const int fd : {0, 1, 2})
                ::dup2(null, fd);
            ::execl("/bin/bash", "bash", "-c", script, nullptr);
            ::_exit(127);
        }
        EXPECT_TRUE(eventually([&] {
            std::ifstream file(std::string(kCgroup) + "/cgroup.procs");
            pid_t first = 0;
            return (file >> first) && first == pid_;
        }));
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        end();
        EXPECT_TRUE(eventually([] { return ::rmdir(kCgroup) == 0 || errno == ENOENT; }));
    }

    void end() {
        std::ofstream(std::string(kCgroup) + "/cgroup.kill") << "1";
        if (pid_ > 0)
            ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool lives() const { return ::kill(pid_, 0) == 0; }

private:
    pid_t pid_ = -1;
};

bool was_refused(const std::string& name, const std::string& rule, const std::string& comm) {
    const auto rows = bulkhead_json({"why", name});
    return std::any_of(rows.begin(), rows.end(), [&](const nlohmann::json& row) {
        return row.at("rule") == rule && row.at("comm") == comm;
    });
}

TEST(Adopt, AServiceIsFencedMeteredAndLetGo) {
    const NothingLeft nothing_left;
    Service service;
    EXPECT_EQ(bulkhead_json({"adopt", "shop.service", "--policy", "default"}).at("name"),
              "shop.service");
    EXPECT_TRUE(eventually([] { return was_refused("shop.service", "syslog", "dmesg"); }));
    EXPECT_EQ(bulkhead_json({"list"}).at(0).at("phase"), "running");
    EXPECT_EQ(bulkhead_json({"status", "shop.service"}).at("adopted_cgroup"), "/shop.service");
    EXPECT_EQ(bulkhead_json({"usage"}).at(0).at("environment"), "shop.service");
    EXPECT_GT(bulkhead_json({"usage", "shop.service"}).at("tasks").at("forks"), 0);
    expect_refused(bulkhead({"set", "shop.service", "--budget", "egress=1G/1d,on-exceed=pause"}),
                   {2, {"shop.service was adopted", "pause"}});
    EXPECT_EQ(bulkhead({"release", "shop.service"}).exit_code, 0);
    EXPECT_TRUE(service.lives());
    EXPECT_EQ(bulkhead_json({"list"}).size(), 0U);
}

TEST(Adopt, ByProcessAndUnderAnotherName) {
    const NothingLeft nothing_left;
    const Service service;
    EXPECT_EQ(bulkhead({"adopt", std::to_string(service.pid()), "--policy", "audit", "--name", "s"})
                  .exit_code,
              0);
    EXPECT_EQ(bulkhead_json({"status", "s"}).at("mode"), "audit");
    const Outcome stopped = bulkhead({"stop", "s"});
    EXPECT_EQ(stopped.exit_code, 2);
    EXPECT_NE(stopped.err.find("bulkhead release s"), std::string::npos) << stopped.err;
    EXPECT_EQ(bulkhead({"destroy", "--force", "s"}).exit_code, 2);
    EXPECT_NE(bulkhead({"exec", "s", "--", "true"}).err.find("adopted"), std::string::npos);
    EXPECT_EQ(bulkhead({"unload"}).exit_code, 1);
    EXPECT_EQ(bulkhead({"release", "s"}).exit_code, 0);
}

TEST(Adopt, UnderAPolicyWithRules) {
    const NothingLeft nothing_left;
    Service service("while :; do echo x > /dev/udp/127.0.0.2/7400; sleep 0.05; done");
    const std::string file = "/tmp/adopted.toml";
    std::ofstream(file) << "[network]\ndefault = \"refuse\"\n\n[processes]\n"
                           "core_dumps = \"refuse\"\n";
    EXPECT_EQ(bulkhead({"adopt", "shop.service", "--policy", file}).exit_code, 0);
    EXPECT_TRUE(eventually([] { return was_refused("shop.service", "egress", "bash"); }));
    EXPECT_NE(bulkhead({"why", "shop.service"}).out.find(file + ":2:11"), std::string::npos);
    rlimit cores{};
    ASSERT_EQ(::prlimit(service.pid(), RLIMIT_CORE, nullptr, &cores), 0);
    EXPECT_EQ(cores.rlim_max, 1U);
    EXPECT_EQ(bulkhead({"policy", "apply", "shop.service", "default"}).exit_code, 0);
    EXPECT_EQ(bulkhead({"policy", "apply", "shop.service", file}).exit_code, 0);
    EXPECT_EQ(bulkhead({"release", "shop.service"}).exit_code, 0);
    EXPECT_TRUE(service.lives());
    std::filesystem::remove(file);
}

TEST(Adopt, WhoseCgroupIsGoneIsSwept) {
    const NothingLeft nothing_left;
    {
        Service service;
        EXPECT_EQ(bulkhead({"adopt", kCgroup, "--policy", "default"}).exit_code, 0);
    }
    EXPECT_EQ(bulkhead_json({"list"}).size(), 0U);
}

TEST(Adopt, RefusesWhatIsNoTargetAndLeavesNothing) {
    const NothingLeft nothing_left;
    for (const char* target : {"/", "/no/such", "nothing.service", "4194303", "1"}) {
        const Outcome outcome = bulkhead({"adopt", target, "--policy", "default"});
        EXPECT_EQ(outcome.exit_code, 2) << target << outcome.err;
        EXPECT_NE(outcome.err.find("\n  "), std::string::npos) << "no remedy: " << outcome.err;
    }
    EXPECT_EQ(bulkhead({"release", "nobody"}).exit_code, 1);
}

}  // namespace
}  // namespace bulkhead::tests
