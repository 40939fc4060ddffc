// `bulkhead agent`, running, and what its scrapers say.
#pragma once

#include <linux/types.h>
#include <sys/types.h>

#include <map>
#include <string>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

inline constexpr int kAgentPort = 19750;

std::string agent_address();

// Answering once it is made; over TLS or to users only, as `more` options have it. Killed with the
// object.
class Agent {
public:
    explicit Agent(const Arguments& more = {});
    [[nodiscard]] pid_t pid() const { return agent_.pid(); }

private:
    Running agent_;
};

// Whether somebody takes connections there.
bool is_listening(int port);

// The port that the programs know the agent by; 0: there is none.
__u32 announced_port();

// Sample with labels -> value, in the older text format.
std::map<std::string, double> scrape();

// What `curl OPTIONS` printed, and how it ended.
struct Curled {
    int exit_code = -1;
    std::string out;
};
// `what`: options and address, as a shell has them.
Curled curl(const std::string& what);

}  // namespace bulkhead::tests
