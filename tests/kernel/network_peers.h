// Servers on the guest's loopback interface, and the acts of reaching them in every way.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "loader/unique_fd.h"

namespace bulkhead::tests {

// An IPv4 or IPv6 address with a port, as the socket calls want it.
class InetAddress {
public:
    InetAddress(const std::string& address, in_port_t port);
    // 127.0.0.1 as ::ffff:127.0.0.1.
    static InetAddress mapped(const std::string& address, in_port_t port);

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage_);
    }
    [[nodiscard]] socklen_t bytes() const { return bytes_; }
    [[nodiscard]] int family() const { return storage_.ss_family; }
    [[nodiscard]] InetAddress with_family(sa_family_t family) const;

private:
    sockaddr_storage storage_{};
    socklen_t bytes_ = 0;
};

// Brings the loopback interface up, with fd00::1 and fd00::2 beside its own addresses.
void prepare_loopback();

// A socket that is bound, and listens if it is a stream's.
UniqueFd server_at(const InetAddress& address, int type, int protocol = 0);
UniqueFd client(int family, int type, int protocol = 0);

// 0 or an errno; the descriptor is closed.
int connect_new(const InetAddress& address, int type, int protocol = 0);
int send_new(const InetAddress& address, int family, int flags = 0, int type = SOCK_DGRAM);

// True when a datagram waits; takes it.
bool arrived(const UniqueFd& receiver);

}  // namespace bulkhead::tests
