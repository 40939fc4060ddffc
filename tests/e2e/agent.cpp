#include "tests/e2e/agent.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "bpf/wire.h"
#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/http.h"

namespace bulkhead::tests {
namespace {

Arguments agent_arguments(const Arguments& more) {
    return joined({"agent", "--listen", agent_address()}, more);
}

}  // namespace

std::string agent_address() {
    return "127.0.0.1:" + std::to_string(kAgentPort);
}

bool is_listening(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address),
                     sizeof address) == 0;
}

Agent::Agent(const Arguments& more) : agent_(agent_arguments(more)) {
    EXPECT_TRUE(eventually([] { return is_listening(kAgentPort); }, 30));
}

__u32 announced_port() {
    const auto meta = loader::map_pinned_array<bh_meta>(
        "bh_meta", 1, loader::MappedArray<bh_meta>::Access::kRead);
    return meta ? (*meta)[0].agent_port : ~0U;
}

std::map<std::string, double> scrape() {
    std::map<std::string, double> samples;
    std::istringstream text(http_get(kAgentPort, "/metrics"));
    for (std::string line; std::getline(text, line);) {
        const auto space = line.rfind(' ');
        if (!line.starts_with('#') && space != std::string::npos)
            samples[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
    return samples;
}

Curled curl(const std::string& what) {
    Curled curled;
    FILE* output = ::popen(("curl --silent --max-time 60 " + what).c_str(), "r");
    if (output == nullptr)
        return curled;
    char buffer[4096];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, output)) > 0;)
        curled.out.append(buffer, got);
    const int status = ::pclose(output);
    curled.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return curled;
}

}  // namespace bulkhead::tests
