#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "bench/operations.h"

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

// connect, accept and the end of both ends; in one process, as a listener's queue takes the
// connection without it.
template <typename Address>
Act connect_accept(int family, const Address& address, socklen_t bytes) {
    const int listener = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (family == AF_INET) {
        const int on = 1;
        ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    Address bound = address;
    auto* generic = reinterpret_cast<sockaddr*>(&bound);
    (void)::bind(listener, generic, bytes);
    ::listen(listener, 16);
    ::getsockname(listener, generic, &bytes);
    return [=]() mutable {
        const int client = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        // Reset instead of an orderly end: no socket is left in TIME_WAIT.
        const linger abort{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        (void)::connect(client, reinterpret_cast<sockaddr*>(&bound), bytes);
        const int server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        ::close(client);
        ::close(server);
    };
}

Act connect_accept_unix() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path + 1, "bench");
    return connect_accept(AF_UNIX, address, sizeof(sa_family_t) + 6);
}

sockaddr_in loopback() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Act connect_accept_tcp() {
    return connect_accept(AF_INET, loopback(), sizeof(sockaddr_in));
}

Act tcp_send_receive() {
    sockaddr_in address = loopback();
    socklen_t bytes = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)::bind(listener, generic, bytes);
    ::listen(listener, 1);
    ::getsockname(listener, generic, &bytes);
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)::connect(client, generic, bytes);
    const int server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    return [=] {
        std::array<char, 64> message{};
        ::send(client, message.data(), message.size(), 0);
        ::recv(server, message.data(), message.size(), MSG_DONTWAIT);
    };
}

Act unix_send_receive() {
    std::array<int, 2> ends{};
    ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data());
    return [=] {
        char byte = 0;
        ::send(ends[0], &byte, 1, 0);
        ::recv(ends[1], &byte, 1, MSG_DONTWAIT);
    };
}

Act pass_descriptor() {
    std::array<int, 2> ends{};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data());
    return [=] {
        char byte = 0;
        iovec part{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        constexpr int kDescriptor = 0;
        std::memcpy(CMSG_DATA(header), &kDescriptor, sizeof kDescriptor);
        ::sendmsg(ends[0], &message, 0);
        message.msg_controllen = control.size();
        int received = -1;
        if (::recvmsg(ends[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1 &&
            CMSG_FIRSTHDR(&message) != nullptr) {
            std::memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
            ::close(received);
        }
    };
}

Act socket_close() {
    return [] { ::close(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); };
}

// The hook comes before the kernel sees that the socket is bound.
Act bind_again() {
    const sockaddr_in any_port = loopback();
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)::bind(socket, reinterpret_cast<const sockaddr*>(&any_port), sizeof any_port);
    return [=] {
        (void)::bind(socket, reinterpret_cast<const sockaddr*>(&any_port), sizeof any_port);
    };
}

// Only the peer's address changes, to what it was.
Act connect_udp() {
    sockaddr_in peer = loopback();
    peer.sin_port = htons(9);
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return [=] { (void)::connect(socket, reinterpret_cast<const sockaddr*>(&peer), sizeof peer); };
}

// On a socket that listens, only the length of its queue is set.
Act listen_again() {
    const sockaddr_in any_port = loopback();
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)::bind(listener, reinterpret_cast<const sockaddr*>(&any_port), sizeof any_port);
    return [=] { (void)::listen(listener, 1); };
}

}  // namespace

std::span<const Operation> socket_operations() {
    static constexpr std::array kOperations = {
        Operation{"connect_accept_unix", 20, connect_accept_unix},
        Operation{"connect_accept_tcp", 10, connect_accept_tcp},
        Operation{"tcp_send_receive", 20, tcp_send_receive},
        Operation{"unix_send_receive", 50, unix_send_receive},
        Operation{"pass_descriptor", 30, pass_descriptor},
        Operation{"socket_close", 50, socket_close},
        Operation{"bind_again", 50, bind_again},
        Operation{"connect_udp", 50, connect_udp},
        Operation{"listen_again", 50, listen_again},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
