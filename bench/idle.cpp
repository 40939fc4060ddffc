#include "bench/idle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "bench/clock.h"
#include "loader/unique_fd.h"

extern char** environ;

namespace bulkhead::bench {
namespace {

constexpr std::uint16_t kPort = 19753;
constexpr int kSeconds = 60;  // one more or less of what it does each second is no matter then

// A process, ended with this.
class Agent {
public:
    static Result<Agent> start(std::string bulkhead) {
        std::string listen = "127.0.0.1:" + std::to_string(kPort);
        std::array<std::string, 2> words = {"agent", "--listen"};
        const std::array<char*, 5> arguments = {bulkhead.data(), words[0].data(), words[1].data(),
                                                listen.data(), nullptr};
        pid_t pid = -1;
        if (const int error =
                ::posix_spawn(&pid, bulkhead.c_str(), nullptr, nullptr, arguments.data(), environ);
            error != 0)
            return fail(Error(error, "spawn " + bulkhead));
        return Agent(pid);
    }
    Agent(Agent&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    Agent& operator=(Agent&&) = delete;
    ~Agent() {
        if (pid_ < 0)
            return;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] Status wait_until_it_listens() const {
        constexpr int kMostTimes = 1000;
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(kPort);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (int time = 0; time < kMostTimes; ++time) {
            const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0)
                return {};
            settle();
        }
        return fail(Error(ETIMEDOUT, "wait for the agent"));
    }

    [[nodiscard]] std::int64_t cpu_ns() const {
        std::int64_t sum = 0;
        for (const auto& thread :
             std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
            std::int64_t ran_ns = 0;
            std::ifstream(thread.path() / "schedstat") >> ran_ns;
            sum += ran_ns;
        }
        return sum;
    }

private:
    explicit Agent(pid_t pid) : pid_(pid) {}

    pid_t pid_;
};

}  // namespace

Status measure_idle_agent(const std::string& bulkhead, Figures& figures) {
    BULKHEAD_TRY_VALUE(agent, Agent::start(bulkhead));
    BULKHEAD_TRY(agent.wait_until_it_listens());
    ::sleep(3);  // what it does first
    const std::int64_t before = agent.cpu_ns();
    ::sleep(kSeconds);
    const std::int64_t used = agent.cpu_ns() - before;
    // One that ended or stands still is no cheap one: it looks around each second.
    if (used <= 0)
        return fail(Error(0, "the agent did nothing in " + std::to_string(kSeconds) + " s"));
    figures["agent.idle"] = used / kSeconds;
    return {};
}

}  // namespace bulkhead::bench
