// The socket that the agent serves on: its own, or one that systemd passes (sd_listen_fds(3)).
#pragma once

#include <optional>
#include <string>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime::agent {

struct HostAndPort {
    std::string host;  // empty: all addresses
    std::string port;
};

// "127.0.0.1:9750", "[::1]:9750", ":9750". Fault::kUsage otherwise.
Result<HostAndPort> parse_address(const std::string& address);

Result<UniqueFd> listen_on(const std::string& address);

// None: systemd passes no socket to this process. More than one, or one that is not a listening
// stream of the internet families, is an error: environments are kept away from one port.
Result<std::optional<UniqueFd>> passed_socket();

// Where it listens, for the log: "127.0.0.1:9750"; and the port alone.
struct Bound {
    std::string address;
    int port = 0;
};
Result<Bound> bound_to(int socket);

}  // namespace bulkhead::runtime::agent
