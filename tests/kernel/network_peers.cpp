#include "tests/kernel/network_peers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/time.h>

#include <cstdlib>

#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {

InetAddress::InetAddress(const std::string& address, in_port_t port) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage_);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage_);
    v4->sin_port = htons(port);  // sin6_port lies at the same place
    if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
        storage_.ss_family = AF_INET;
        bytes_ = sizeof(sockaddr_in);
        return;
    }
    EXPECT_EQ(::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr), 1) << address;
    storage_.ss_family = AF_INET6;
    bytes_ = sizeof(sockaddr_in6);
}

InetAddress InetAddress::mapped(const std::string& address, in_port_t port) {
    return {"::ffff:" + address, port};
}

InetAddress InetAddress::with_family(sa_family_t family) const {
    InetAddress other = *this;
    other.storage_.ss_family = family;
    return other;
}

void prepare_loopback() {
    ASSERT_EQ(std::system("ip link set lo up && ip -6 address replace fd00::1/128 dev lo nodad &&"
                          " ip -6 address replace fd00::2/128 dev lo nodad"),
              0);
}

UniqueFd client(int family, int type, int protocol) {
    UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, protocol));
    // Where only the packet filter is left to refuse, an answer never comes.
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

UniqueFd server_at(const InetAddress& address, int type, int protocol) {
    UniqueFd server = client(address.family(), type, protocol);
    const int on = 1;
    ::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(outcome(::bind(server.get(), address.get(), address.bytes())), 0);
    if (type == SOCK_STREAM) {
        EXPECT_EQ(outcome(::listen(server.get(), 64)), 0);
    }
    return server;
}

int connect_new(const InetAddress& address, int type, int protocol) {
    const UniqueFd fd = client(address.family(), type, protocol);
    if (!fd)
        return errno;
    return outcome(::connect(fd.get(), address.get(), address.bytes()));
}

int send_new(const InetAddress& address, int family, int flags, int type) {
    const UniqueFd fd = client(family, type);
    return outcome(::sendto(fd.get(), "x", 1, flags, address.get(), address.bytes()));
}

bool arrived(const UniqueFd& receiver) {
    char byte = 0;
    return ::recv(receiver.get(), &byte, 1, MSG_DONTWAIT) == 1;
}

}  // namespace bulkhead::tests
