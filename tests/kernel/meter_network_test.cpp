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

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/kernel/meter_support.h"
#include "tests/kernel/network_peers.h"
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

    // What IP itself received on all interfaces, without their headers.
    [[nodiscard]] std::array<bh_traffic, 2> received_by_family() const {
        std::array<bh_traffic, 2> all{};
        all[BH_FAMILY_IPV4] = {ip_number("net/netstat", "IpExt:", "InOctets"),
                               ip_number("net/snmp", "Ip:", "InReceives")};
        std::ifstream file(proc_path("net/snmp6"));
        __u64 number = 0;
        for (std::string name; file >> name >> number;) {
            if (name == "Ip6InOctets")
                all[BH_FAMILY_IPV6].bytes = number;
            if (name == "Ip6InReceives")
                all[BH_FAMILY_IPV6].packets = number;
        }
        return all;
    }

    // Bytes and packets of every interface, as the kernel shows them there.
    [[nodiscard]] Counts interfaces() const {
        std::ifstream file(proc_path("net/dev"));
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
    [[nodiscard]] std::string proc_path(const std::string& file) const {
        return "/proc/" + std::to_string(holder_.pid()) + "/" + file;
    }
    [[nodiscard]] std::string namespace_path() const { return proc_path("ns/net"); }

    // Of a file that has each line of names above one of numbers, both begun by `prefix`.
    [[nodiscard]] __u64 ip_number(const char* file, const std::string& prefix,
                                  const std::string& name) const {
        std::ifstream lines(proc_path(file));
        std::string names, numbers;
        while (std::getline(lines, names) && std::getline(lines, numbers)) {
            std::istringstream name_of(names), number_of(numbers);
            std::string one, value;
            name_of >> one;
            number_of >> value;
            if (one != prefix)
                continue;
            while (name_of >> one && number_of >> value)
                if (one == name)
                    return std::stoull(value);
        }
        ADD_FAILURE() << file << " has no " << prefix << name;
        return 0;
    }

    BareEnvironment environment_;
    Actor holder_;
};

// 20 connections over TCP, each with 100 kB one way and a close.
int talk_tcp(const InetAddress& address) {
    const int server = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(server, address.get(), address.bytes()) != 0 || ::listen(server, 5) != 0)
        return errno;
    const std::string data(100'000, 'x');
    for (int i = 0; i < 20; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            const int client = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(client, address.get(), address.bytes()) != 0)
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

constexpr std::size_t kData = 1000;

// Datagrams of kData bytes, by a socket of its own that need not be of the address' family.
int talk_udp(const InetAddress& address, int family, int count) {
    const int server = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int client = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (::bind(server, address.get(), address.bytes()) != 0)
        return errno;
    char data[kData]{};
    for (int i = 0; i < count; ++i)
        if (::sendto(client, data, sizeof data, 0, address.get(), address.bytes()) < 0 ||
            ::read(server, data, sizeof data) < 0)
            return errno;
    return 0;
}

// Datagrams to a closed port of the other end, which answers each with an ICMP error.
int send_to_nobody(const InetAddress& address) {
    const char data[kData]{};
    for (int i = 0; i < 3; ++i) {
        const int client = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (::sendto(client, data, sizeof data, 0, address.get(), address.bytes()) < 0)
            return errno;
        ::usleep(100'000);
        ::close(client);
    }
    return 0;
}

bh_traffic sum_of(const bh_traffic (&families)[BH_FAMILY_COUNT]) {
    bh_traffic sum{};
    for (const bh_traffic& family : families) {
        sum.bytes += family.bytes;
        sum.packets += family.packets;
    }
    return sum;
}

void expect_equal(const bh_traffic& meter, const bh_traffic& kernel, const char* direction) {
    std::printf("%s: the meter says %llu bytes in %llu packets, the interfaces %llu in %llu\n",
                direction, meter.bytes, meter.packets, kernel.bytes, kernel.packets);
    EXPECT_EQ(meter.bytes, kernel.bytes) << direction;
    EXPECT_EQ(meter.packets, kernel.packets) << direction;
}

// IPv6 sends by itself, so the interfaces are read before and after, until they agree. All that was
// received came by interfaces with headers of `header_bytes`.
bh_state expect_counted_like_interfaces(NetworkEnvironment& environment, __u64 header_bytes) {
    std::array<bh_traffic, 2> families{};
    NetworkEnvironment::Counts before;
    NetworkEnvironment::Counts after;
    bh_state state{};
    for (int attempt = 0; attempt == 0 || before.received.packets != after.received.packets ||
                          before.sent.packets != after.sent.packets;
         ++attempt) {
        if (attempt == 20) {
            ADD_FAILURE() << "the interfaces are never quiet";
            return state;
        }
        before = environment.interfaces();
        state = read_meters(environment.bare()).state;
        families = environment.received_by_family();
        after = environment.interfaces();
    }
    expect_equal(sum_of(state.counts.traffic[BH_RECEIVED]), after.received, "received");
    expect_equal(sum_of(state.counts.traffic[BH_SENT]), after.sent, "sent");
    for (const bh_family family : {BH_FAMILY_IPV4, BH_FAMILY_IPV6}) {
        bh_traffic& kernel = families[family];
        kernel.bytes += kernel.packets * header_bytes;
        expect_equal(state.counts.traffic[BH_RECEIVED][family], kernel,
                     family == BH_FAMILY_IPV4 ? "received by IPv4" : "received by IPv6");
    }
    return state;
}

TEST(Meter, NetworkIsThatOfTheLoopbackInterface) {
    NetworkEnvironment mine("mine");
    for (const char* address : {"127.0.0.1", "::1"}) {
        mine.run([&] { return talk_tcp(InetAddress(address, 7000)); });
        const InetAddress to(address, 7001);
        mine.run([&] { return talk_udp(to, to.family(), 100); });
    }
    const bh_state state = expect_counted_like_interfaces(mine, 0);
    for (const bh_family family : {BH_FAMILY_IPV4, BH_FAMILY_IPV6}) {
        const bh_traffic& sent = state.counts.traffic[BH_SENT][family];
        EXPECT_GT(sent.bytes, 2'100'000U);
        expect_equal(sent, state.counts.traffic[BH_RECEIVED][family], "sent to itself");
    }
    EXPECT_EQ(state.counts.traffic[BH_SENT][BH_FAMILY_OTHER].packets, 0U);
}

PROVES(Meter, NetworkIsThatOfEveryInterface, "bh_receive", "bh_begin_xmit", "bh_transmit");
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
                           " ip address add fd09::1/64 dev eth0 nodad && ip link set eth0 up' && " +
                           enter + in_other +
                           " sh -c 'ip address add 10.9.0.2/24 dev eth0 &&"
                           " ip address add fd09::2/64 dev eth0 nodad && ip link set eth0 up'")
                              .c_str()),
              0);
    for (const char* address : {"10.9.0.2", "fd09::2"})
        mine.run([&] { return send_to_nobody(InetAddress(address, 7002)); });
    ::usleep(300'000);
    constexpr __u64 kEthernetHeader = 14;
    expect_counted_like_interfaces(mine, kEthernetHeader);
    expect_counted_like_interfaces(other, kEthernetHeader);
    // One reading of both ends, in which neither sent.
    bh_state here{}, there{};
    for (int attempt = 0; attempt < 20; ++attempt) {
        here = mine.bare().state();
        there = other.bare().state();
        if (std::memcmp(&here.counts.traffic, &mine.bare().state().counts.traffic,
                        sizeof here.counts.traffic) == 0)
            break;
    }
    for (unsigned family = 0; family < BH_FAMILY_COUNT; ++family) {
        const char* const name = family == BH_FAMILY_OTHER  ? "ARP"
                                 : family == BH_FAMILY_IPV4 ? "IPv4"
                                                            : "IPv6";
        EXPECT_GE(here.counts.traffic[BH_SENT][family].packets, 1U) << name;
        expect_equal(here.counts.traffic[BH_SENT][family],
                     there.counts.traffic[BH_RECEIVED][family], name);
        expect_equal(there.counts.traffic[BH_SENT][family],
                     here.counts.traffic[BH_RECEIVED][family], name);
    }
}

// In the host's namespace the sockets are counted, at the IP layer.
PROVES(Meter, NetworkOfTheHostIsCountedBySocket, "bh_cg_receive", "bh_cg_send");
TEST(Meter, NetworkOfTheHostIsCountedBySocket) {
    BareEnvironment mine("mine");
    bh_environment record = mine.record();
    record.flags |= BH_ENV_HOST_NETWORK;
    mine.publish(record);
    const auto talk_v4 = [] { return talk_udp(InetAddress("127.0.0.1", 7001), AF_INET, 100); };
    const auto talk_v6 = [] { return talk_udp(InetAddress("::1", 7001), AF_INET6, 50); };
    EXPECT_EQ(Actor::run(&mine, talk_v4), 0);
    EXPECT_EQ(Actor::run(&mine, talk_v6), 0);
    // Whatever the socket is of: a mapped address is one of IPv4.
    EXPECT_EQ(
        Actor::run(&mine,
                   [] { return talk_udp(InetAddress::mapped("127.0.0.1", 7001), AF_INET6, 7); }),
        0);
    const auto state = read_meters(mine).state;
    for (const bh_direction direction : {BH_SENT, BH_RECEIVED}) {
        const auto& traffic = state.counts.traffic[direction];
        expect_equal(traffic[BH_FAMILY_IPV4], {107U * (kData + 8 + 20), 107}, "IPv4");
        expect_equal(traffic[BH_FAMILY_IPV6], {50U * (kData + 8 + 40), 50}, "IPv6");
        EXPECT_EQ(traffic[BH_FAMILY_OTHER].packets, 0U);
    }
    EXPECT_EQ(Actor::run(nullptr, talk_v4), 0);
    EXPECT_EQ(mine.state().counts.traffic[BH_SENT][BH_FAMILY_IPV4].packets, 107U)
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
                       if (errno != ECONNREFUSED)
                           return errno;
                       return connect_new(InetAddress::mapped("127.0.0.1", ntohs(address.sin_port)),
                                          SOCK_STREAM);
                   }),
        0);
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV4], 2U) << "a mapped one is IPv4's";
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV6], 1U);
}

}  // namespace
}  // namespace bulkhead::tests
