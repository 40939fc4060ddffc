// Network traffic, against the counters of the environment's interfaces.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/kernel/meter_support.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

// An environment with a network namespace of its own: loopback up, and nothing else.
class NetworkEnvironment {
public:
    explicit NetworkEnvironment(const std::string& name)
        : environment_(name), holder_(nullptr, [] {
              EXPECT_EQ(::unshare(CLONE_NEWNET), 0);
              const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
              ifreq request{};
              std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
              request.ifr_flags = IFF_UP;
              EXPECT_EQ(::ioctl(any, SIOCSIFFLAGS, &request), 0);
          }) {
        struct stat info {};
        EXPECT_EQ(::stat(namespace_path().c_str(), &info), 0);
        bh_environment record = environment_.record();
        record.net_ns = static_cast<__u32>(info.st_ino);
        environment_.publish(record);
    }

    [[nodiscard]] BareEnvironment& bare() { return environment_; }
    [[nodiscard]] pid_t holder() const { return holder_.pid(); }

    // Runs `act` as a host task in the namespace: the meter goes by the namespace.
    void run(const std::function<int()>& act) const {
        EXPECT_EQ(Actor::run(nullptr,
                             [&] {
                                 const int target =
                                     ::open(namespace_path().c_str(), O_RDONLY | O_CLOEXEC);
                                 return ::setns(target, CLONE_NEWNET) == 0 ? act() : errno;
                             }),
                  0);
    }

    struct Counts {
        bh_traffic received{};
        bh_traffic sent{};
    };

    // Bytes and packets of every interface, as the kernel shows them there.
    [[nodiscard]] Counts interfaces() const {
        std::ifstream file("/proc/" + std::to_string(holder_.pid()) + "/net/dev");
        Counts all;
        for (std::string line; std::getline(file, line);) {
            const auto colon = line.find(':');
            if (colon == std::string::npos)
                continue;
            std::istringstream numbers(line.substr(colon + 1));
            __u64 column[16]{};
            for (__u64& number : column)
                numbers >> number;
            all.received.bytes += column[0];
            all.received.packets += column[1];
            all.sent.bytes += column[8];
            all.sent.packets += column[9];
        }
        return all;
    }

private:
    [[nodiscard]] std::string namespace_path() const {
        return "/proc/" + std::to_string(holder_.pid()) + "/ns/net";
    }

    BareEnvironment environment_;
    Actor holder_;
};

sockaddr_in loopback(in_port_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

sockaddr* generic(sockaddr_in& address) {
    return reinterpret_cast<sockaddr*>(&address);
}

// 20 connections over TCP, each with 100 kB one way and a close.
int talk_tcp() {
    sockaddr_in address = loopback(7000);
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(server, generic(address), sizeof address) != 0 || ::listen(server, 5) != 0)
        return errno;
    const std::string data(100'000, 'x');
    for (int i = 0; i < 20; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(client, generic(address), sizeof address) != 0)
                ::_exit(errno);
            ::_exit(::write(client, data.data(), data.size()) > 0 ? 0 : errno);
        }
        const int peer = ::accept4(server, nullptr, nullptr, SOCK_CLOEXEC);
        char buffer[4096];
        while (::read(peer, buffer, sizeof buffer) > 0)
            continue;
        ::close(peer);
        ::waitpid(child, nullptr, 0);
    }
    return 0;
}

int talk_udp() {
    sockaddr_in address = loopback(7001);
    const int server = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int client = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (::bind(server, generic(address), sizeof address) != 0)
        return errno;
    char data[1000]{};
    for (int i = 0; i < 100; ++i)
        if (::sendto(client, data, sizeof data, 0, generic(address), sizeof address) < 0 ||
            ::read(server, data, sizeof data) < 0)
            return errno;
    return 0;
}

// Datagrams to a closed port of the other end, which answers each with an ICMP error.
int send_to_nobody() {
    sockaddr_in address = loopback(7002);
    address.sin_addr.s_addr = ::inet_addr("10.9.0.2");
    const char data[1000]{};
    for (int i = 0; i < 3; ++i) {
        const int client = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (::sendto(client, data, sizeof data, 0, generic(address), sizeof address) < 0)
            return errno;
        ::usleep(100'000);
        ::close(client);
    }
    return 0;
}

void expect_equal(const bh_traffic& meter, const bh_traffic& kernel, const char* direction) {
    std::printf("%s: the meter says %llu bytes in %llu packets, the interfaces %llu in %llu\n",
                direction, meter.bytes, meter.packets, kernel.bytes, kernel.packets);
    EXPECT_EQ(meter.bytes, kernel.bytes) << direction;
    EXPECT_EQ(meter.packets, kernel.packets) << direction;
}

// IPv6 sends by itself, so the interfaces are read before and after, until they agree.
void expect_counted_like_interfaces(NetworkEnvironment& environment) {
    NetworkEnvironment::Counts before;
    NetworkEnvironment::Counts after;
    bh_state state{};
    for (int attempt = 0; attempt == 0 || before.received.packets != after.received.packets ||
                          before.sent.packets != after.sent.packets;
         ++attempt) {
        ASSERT_LT(attempt, 20) << "the interfaces are never quiet";
        before = environment.interfaces();
        state = read_meters(environment.bare()).state;
        after = environment.interfaces();
    }
    expect_equal(state.counts.traffic[BH_RECEIVED], after.received, "received");
    expect_equal(state.counts.traffic[BH_SENT], after.sent, "sent");
}

TEST(Meter, NetworkIsThatOfTheLoopbackInterface) {
    NetworkEnvironment mine("mine");
    mine.run(talk_tcp);
    mine.run(talk_udp);
    EXPECT_GT(mine.bare().state().counts.traffic[BH_SENT].bytes, 2'100'000U);
    expect_counted_like_interfaces(mine);
}

PROVES(Meter, NetworkIsThatOfEveryInterface, "bh_receive", "bh_transmit");
TEST(Meter, NetworkIsThatOfEveryInterface) {
    NetworkEnvironment mine("mine");
    NetworkEnvironment other("other");
    const std::string in_mine = std::to_string(mine.holder());
    const std::string in_other = std::to_string(other.holder());
    const std::string enter = "nsenter -n -t ";
    ASSERT_EQ(std::system(("modprobe veth && " + enter + in_mine +
                           " ip link add eth0 type veth peer name eth0 netns " + in_other + " && " +
                           enter + in_mine +
                           " sh -c 'ip address add 10.9.0.1/24 dev eth0 &&"
                           " ip link set eth0 up' && " +
                           enter + in_other +
                           " sh -c 'ip address add 10.9.0.2/24 dev eth0 &&"
                           " ip link set eth0 up'")
                              .c_str()),
              0);
    mine.run(send_to_nobody);
    ::usleep(300'000);
    for (NetworkEnvironment* one : {&mine, &other}) {
        EXPECT_GE(one->bare().state().counts.traffic[BH_SENT].packets, 4U);
        EXPECT_GE(one->bare().state().counts.traffic[BH_RECEIVED].packets, 4U)
            << "ARP and three datagrams or answers";
        expect_counted_like_interfaces(*one);
    }
}

// In the host's namespace the sockets are counted, at the IP layer.
PROVES(Meter, NetworkOfTheHostIsCountedBySocket, "bh_cg_receive", "bh_cg_send");
TEST(Meter, NetworkOfTheHostIsCountedBySocket) {
    BareEnvironment mine("mine");
    bh_environment record = mine.record();
    record.flags |= BH_ENV_HOST_NETWORK;
    mine.publish(record);
    EXPECT_EQ(Actor::run(&mine, talk_udp), 0);
    const auto state = read_meters(mine).state;
    constexpr std::uint64_t kDatagram = 1000 + 8 + 20;
    EXPECT_EQ(state.counts.traffic[BH_SENT].packets, 100U);
    EXPECT_EQ(state.counts.traffic[BH_SENT].bytes, 100U * kDatagram);
    EXPECT_EQ(state.counts.traffic[BH_RECEIVED].packets, 100U);
    EXPECT_EQ(state.counts.traffic[BH_RECEIVED].bytes, 100U * kDatagram);
    EXPECT_EQ(Actor::run(nullptr, talk_udp), 0);
    EXPECT_EQ(mine.state().counts.traffic[BH_SENT].packets, 100U)
        << "the host's own traffic is not counted";
}

// Streams only, and once each: a socket that asks again opens nothing new.
TEST(Meter, ConnectionsAreCountedOnceByFamily) {
    BareEnvironment mine("mine");
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), any, sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 4), 0);
    ASSERT_EQ(::getsockname(listener.get(), any, &bytes), 0);
    EXPECT_EQ(
        Actor::run(&mine,
                   [&] {
                       const int stream = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                       if (::connect(stream, any, sizeof address) != 0)
                           return errno;
                       if (::connect(stream, any, sizeof address) == 0 || errno != EISCONN)
                           return EBADE;
                       const int datagram = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                       if (::connect(datagram, any, sizeof address) != 0)
                           return errno;
                       sockaddr_in6 six{};
                       six.sin6_family = AF_INET6;
                       six.sin6_addr = in6addr_loopback;
                       six.sin6_port = htons(9);
                       const int other = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
                       if (::connect(other, reinterpret_cast<sockaddr*>(&six), sizeof six) == 0)
                           return EBADE;
                       return errno == ECONNREFUSED ? 0 : errno;
                   }),
        0);
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV4], 1U);
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV6], 1U);
}

}  // namespace
}  // namespace bulkhead::tests
