#include "runtime/agent/listen_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

namespace bulkhead::runtime::agent {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr int kBacklog = 128;

tl::unexpected<Error> fail_address(const std::string& address) {
    return fail(Error(0, address + " is not an address and port", Fault::kUsage)
                    .advise("such as --listen 127.0.0.1:9750"));
}

bool is_port(const std::string& text) {
    unsigned number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size() && number <= 65535;
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> look_up(const HostAndPort& where, const std::string& address) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(),
                                    where.port.c_str(), &hints, &found);
    if (error != 0)
        return fail(Error(0, "listen on " + address + ": " + ::gai_strerror(error), Fault::kUsage)
                        .advise("such as --listen 127.0.0.1:9750"));
    return Addresses(found, &::freeaddrinfo);
}

// One of the addresses. "" stands for all: IPv6's takes IPv4 too, where the machine has IPv6.
UniqueFd listen_at(const addrinfo& one) {
    UniqueFd socket(::socket(one.ai_family, one.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1, no = 0;
    // An agent that starts again need not wait for connections of the last.
    if (socket && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        (one.ai_family != AF_INET6 ||
         ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == 0) &&
        ::bind(socket.get(), one.ai_addr, one.ai_addrlen) == 0 &&
        ::listen(socket.get(), kBacklog) == 0)
        return socket;
    const int error = errno;
    socket.reset();
    errno = error;
    return socket;
}

int option(int socket, int name) {
    int value = 0;
    socklen_t bytes = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, name, &value, &bytes) == 0 ? value : -1;
}

unsigned long number_in(const char* variable) {
    const char* text = ::getenv(variable);
    return text != nullptr ? std::strtoul(text, nullptr, 10) : 0;
}

}  // namespace

Result<HostAndPort> parse_address(const std::string& address) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos || !is_port(address.substr(colon + 1)))
        return fail_address(address);
    HostAndPort where{address.substr(0, colon), address.substr(colon + 1)};
    if (where.host.size() > 2 && where.host.front() == '[' && where.host.back() == ']')
        where.host = where.host.substr(1, where.host.size() - 2);
    else if (where.host.find_first_of(":[]") != std::string::npos)
        return fail_address(address);
    return where;
}

Result<UniqueFd> listen_on(const std::string& address) {
    BULKHEAD_TRY_VALUE(where, parse_address(address));
    BULKHEAD_TRY_VALUE(found, look_up(where, address));
    int error = 0;
    for (const int family : {AF_INET6, AF_INET}) {
        for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
            if (one->ai_family != family)
                continue;
            if (UniqueFd socket = listen_at(*one))
                return socket;
            error = errno;
        }
    }
    return fail(
        Error(error, "listen on " + address).advise("choose another with --listen ADDRESS:PORT"));
}

Result<std::optional<UniqueFd>> passed_socket() {
    const unsigned long count = number_in("LISTEN_PID") == static_cast<unsigned long>(::getpid())
                                    ? number_in("LISTEN_FDS")
                                    : 0;
    for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        ::unsetenv(variable);
    if (count == 0)
        return std::optional<UniqueFd>{};
    if (count != 1)
        return fail(Error(0, "systemd passes " + std::to_string(count) + " sockets", Fault::kUsage)
                        .advise("the socket unit may have one ListenStream= only"));
    UniqueFd socket(kFirstPassed);
    const int family = option(socket.get(), SO_DOMAIN);
    if (option(socket.get(), SO_TYPE) != SOCK_STREAM || option(socket.get(), SO_ACCEPTCONN) != 1 ||
        (family != AF_INET && family != AF_INET6))
        return fail(Error(0, "what systemd passes is not a listening TCP socket", Fault::kUsage)
                        .advise("the socket unit needs ListenStream=ADDRESS:PORT and Accept=no"));
    if (::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0 ||
        ::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0)
        return fail_errno("set up the socket that systemd passes");
    return std::optional<UniqueFd>(std::move(socket));
}

Result<Bound> bound_to(int socket) {
    sockaddr_storage address{};
    socklen_t bytes = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
        return fail_errno("ask where the socket listens");
    char host[NI_MAXHOST], port[NI_MAXSERV];
    const int error =
        ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), bytes, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0)
        return fail(
            Error(0, std::string("name where the socket listens: ") + ::gai_strerror(error)));
    const bool is_v6 = address.ss_family == AF_INET6;
    return Bound{(is_v6 ? "[" + std::string(host) + "]" : host) + ":" + port, std::atoi(port)};
}

}  // namespace bulkhead::runtime::agent
