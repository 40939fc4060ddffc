// Sockets: which are made, and whose are reached.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "loader/agent_port.h"
#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

struct Address {
    sockaddr_un name{};
    socklen_t bytes = 0;
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Address path_address(const std::string& path) {
    Address address;
    address.name.sun_family = AF_UNIX;
    std::strcpy(address.name.sun_path, path.c_str());
    address.bytes = sizeof address.name;
    return address;
}

Address abstract_address(const std::string& name) {
    Address address;
    address.name.sun_family = AF_UNIX;
    std::strcpy(address.name.sun_path + 1, name.c_str());
    address.bytes = static_cast<socklen_t>(sizeof(sa_family_t) + 1 + name.size());
    return address;
}

int bound(int type, const Address& address) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::bind(fd, address.get(), address.bytes) != 0)
        return -1;
    if (type != SOCK_DGRAM && ::listen(fd, 16) != 0)
        return -1;
    return fd;
}

int connect_to(int type, const Address& address) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    const int error = outcome(fd) | outcome(::connect(fd, address.get(), address.bytes));
    ::close(fd);
    return error;
}

constexpr Expected kConnect{BH_HOOK_unix_stream_connect, BH_CLASS_UNIX, EPERM};

FENCE_TEST(RefusesUnixSocketsOfTheHostByPath, "bh_unix_connect") {
    Tmpfs place;
    const Address address = path_address(place.at("socket"));
    const UniqueFd listener(bound(SOCK_STREAM, address));
    BareEnvironment mine("mine");
    expect_refused(mine, kConnect, [&] { return connect_to(SOCK_STREAM, address); });
    EXPECT_NE(std::string(mine.last_refusal().text[0], 10).find("/run/"), std::string::npos);
}

FENCE_TEST(RefusesUnixSocketsOfOthersByAbstractName, "bh_unix_connect") {
    const Address address = abstract_address("bulkhead-other");
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    Actor listener(&other, [&] { bound(SOCK_STREAM, address); });
    expect_refused(mine, kConnect, [&] { return connect_to(SOCK_STREAM, address); });
    EXPECT_STREQ(mine.last_refusal().text[0], "bulkhead-other");
}

FENCE_TEST(AllowsUnixSocketsOfItsOwn, "bh_sock_label") {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const Address stream = abstract_address("bulkhead-mine");
                             const Address datagrams = abstract_address("bulkhead-mine-datagrams");
                             return outcome(bound(SOCK_STREAM, stream)) |
                                    outcome(bound(SOCK_DGRAM, datagrams)) |
                                    connect_to(SOCK_STREAM, stream) |
                                    connect_to(SOCK_DGRAM, datagrams);
                         }),
              0);
}

// The label of the socket that `listener` accepts next; serial 0: it is the host's.
bh_label label_of_accepted(int listener) {
    const UniqueFd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    const auto labels = loader::open_pinned_map<int, bh_label>("bh_socks");
    EXPECT_TRUE(accepted);
    EXPECT_TRUE(labels.has_value());
    const auto label = labels->find(accepted.get());
    EXPECT_TRUE(label.has_value()) << label.error().message();
    return label && *label ? **label : bh_label{};
}

// A descriptor of `owner`, as a debugger on the host has it.
UniqueFd borrow(const Actor& owner, int descriptor) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, owner.pid(), 0)));
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), descriptor, 0)));
}

FENCE_TEST(OwnsTheSocketsThatItAccepts, "bh_unix_connect") {
    const int descriptor = 100;
    BareEnvironment mine("mine");
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
        const Address address = abstract_address("bulkhead-accepts");
        const Actor server(&mine, [&] { ::dup2(bound(type, address), descriptor); });
        const UniqueFd listener = borrow(server, descriptor);
        ASSERT_TRUE(listener);
        EXPECT_EQ(Actor::run(&mine, [&] { return connect_to(type, address); }), 0);
        EXPECT_EQ(label_of_accepted(listener.get()).serial, mine.label().serial);
        EXPECT_EQ(Actor::run(nullptr, [&] { return connect_to(type, address); }), 0);
        EXPECT_EQ(label_of_accepted(listener.get()).serial, mine.label().serial)
            << "whoever connects";
    }
    const Address address = abstract_address("bulkhead-host-accepts");
    const UniqueFd listener(bound(SOCK_STREAM, address));
    EXPECT_EQ(connect_to(SOCK_STREAM, address), 0);
    EXPECT_EQ(label_of_accepted(listener.get()).serial, 0U);
}

// Two processes of one environment talk over what one of them accepted, both ways.
TEST(Fence, AllowsTalkingOverAcceptedSockets) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             int errors = 0;
                             for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
                                 const Address address = abstract_address("bulkhead-talks");
                                 const UniqueFd listener(bound(type, address));
                                 const UniqueFd client(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
                                 errors |=
                                     outcome(::connect(client.get(), address.get(), address.bytes));
                                 const UniqueFd server(
                                     ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
                                 char byte = 'x';
                                 errors |= outcome(::send(client.get(), &byte, 1, 0)) |
                                           outcome(::recv(server.get(), &byte, 1, 0)) |
                                           outcome(::send(server.get(), &byte, 1, 0)) |
                                           outcome(::recv(client.get(), &byte, 1, 0));
                             }
                             return errors;
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

FENCE_TEST(RefusesDatagramsToTheHost, "bh_unix_send") {
    const Address address = abstract_address("bulkhead-log");
    const UniqueFd receiver(bound(SOCK_DGRAM, address));
    BareEnvironment mine("mine");
    const auto send = [&] {
        const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return outcome(::sendto(fd, "x", 1, MSG_DONTWAIT, address.get(), address.bytes));
    };
    EXPECT_EQ(Actor::run(&mine, send), EPERM);
    char byte = 0;
    EXPECT_EQ(outcome(::recv(receiver.get(), &byte, 1, MSG_DONTWAIT)), EAGAIN) << "it arrived";
    expect_refused(mine, {BH_HOOK_unix_may_send, BH_CLASS_UNIX, EPERM}, send);
}

TEST(Fence, LeavesTheHostsConnectionsAlone) {
    const Address address = abstract_address("bulkhead-served");
    BareEnvironment mine("mine");
    Actor listener(&mine, [&] { bound(SOCK_STREAM, address); });
    EXPECT_EQ(Actor::run(nullptr, [&] { return connect_to(SOCK_STREAM, address); }), 0);
}

FENCE_TEST(RefusesRawAndPacketSockets, "bh_sock_create") {
    BareEnvironment mine("mine");
    const Expected raw{BH_HOOK_socket_create, BH_CLASS_RAW_SOCKETS, EPERM};
    expect_refused(mine, raw, [] { return opened(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); });
    expect_refused(mine, raw, [] { return opened(::socket(AF_PACKET, SOCK_DGRAM, 0)); });
}

FENCE_TEST(RefusesExoticFamilies, "bh_sock_create") {
    BareEnvironment mine("mine");
    expect_refused(mine,
                   {BH_HOOK_socket_create, BH_CLASS_FAMILIES, EPROTONOSUPPORT, EPROTONOSUPPORT},
                   [] { return opened(::socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)); });
    EXPECT_EQ(Actor::run(&mine, [] { return opened(::socket(AF_VSOCK, SOCK_STREAM, 0)); }), EPERM);
}

TEST(Fence, LeavesOrdinarySocketsAlone) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             return opened(::socket(AF_INET, SOCK_STREAM, 0)) |
                                    opened(::socket(AF_INET6, SOCK_DGRAM, 0)) |
                                    opened(::socket(AF_UNIX, SOCK_SEQPACKET, 0)) |
                                    opened(::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

// Listens on a port of the kernel's choice, which is announced as the agent's.
class Agent {
public:
    Agent() {
        EXPECT_EQ(std::system("ip link set lo up"), 0);
        auto* name = reinterpret_cast<sockaddr*>(&address_);
        socklen_t bytes = sizeof address_;
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(outcome(::bind(listener_.get(), name, bytes)), 0);
        EXPECT_EQ(outcome(::listen(listener_.get(), 16)), 0);
        EXPECT_EQ(outcome(::getsockname(listener_.get(), name, &bytes)), 0);
        EXPECT_TRUE(loader::announce_agent_port(port()).has_value());
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent() { EXPECT_TRUE(loader::withdraw_agent_port(port()).has_value()); }

    [[nodiscard]] __u32 port() const { return ntohs(address_.sin_port); }
    [[nodiscard]] int connect() const {
        const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return outcome(::connect(fd.get(), name(), sizeof address_));
    }
    [[nodiscard]] int connect_by_message() const {
        const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return outcome(::sendto(fd.get(), "x", 1, MSG_FASTOPEN, name(), sizeof address_));
    }

private:
    [[nodiscard]] const sockaddr* name() const {
        return reinterpret_cast<const sockaddr*>(&address_);
    }

    sockaddr_in address_{};
    UniqueFd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

class InTheHostsNetwork : public BareEnvironment {
public:
    InTheHostsNetwork() : BareEnvironment("mine") {
        bh_environment filled = record();
        filled.flags = BH_ENV_HOST_NETWORK;
        publish(filled);
    }
};

FENCE_TEST(RefusesTheAgentFromTheHostsNetwork, "bh_sock_connect") {
    const Agent agent;
    InTheHostsNetwork mine;
    expect_refused(mine, {BH_HOOK_socket_connect, BH_CLASS_SELF, EPERM},
                   [&] { return agent.connect(); });
    ASSERT_TRUE(loader::withdraw_agent_port(agent.port()).has_value());
    EXPECT_EQ(Actor::run(&mine, [&] { return agent.connect(); }), 0) << "no agent, another's port";
}

// Fast Open connects without the hook of connect().
FENCE_TEST(RefusesTheAgentByFastOpen, "bh_sock_send") {
    const Agent agent;
    InTheHostsNetwork mine;
    expect_refused(mine, {BH_HOOK_socket_sendmsg, BH_CLASS_SELF, EPERM},
                   [&] { return agent.connect_by_message(); });
}

}  // namespace
}  // namespace bulkhead::tests
