// Egress rules: where the sockets of an environment reach, by every call that can reach anything.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kConnect{BH_HOOK_socket_connect, BH_CLASS_EGRESS, EPERM};
constexpr Expected kSend{BH_HOOK_socket_sendmsg, BH_CLASS_EGRESS, EPERM};
constexpr in_port_t kPort = 7100;
constexpr __u16 kRuleOfWorld = 3;

// Rules for all addresses refuse; 127.0.0.1 and fd00::1 are allowed. Whatever changes the control
// word begins a generation without rows, where all is refused.
class Fenced : public BareEnvironment {
public:
    Fenced() : BareEnvironment("mine") {
        prepare_loopback();
        refuse(BH_CLASS_EGRESS);
    }
    void put_rules(bh_verdict world = BH_VERDICT_REFUSE) {
        put_rules_of(generation_of(*this), world);
    }
    void put_rules_of(__u32 generation, bh_verdict world) {
        put_route(*this, generation, "::/0", {all_ports(world, kRuleOfWorld)});
        put_route(*this, generation, "127.0.0.1/32", {all_ports(BH_VERDICT_ALLOW)});
        put_route(*this, generation, "fd00::1/128", {all_ports(BH_VERDICT_ALLOW)});
    }
};

// Each address at which the guest answers itself.
const std::array<InetAddress, 2> kOthers = {InetAddress("127.0.0.2", kPort),
                                            InetAddress("fd00::2", kPort)};

FENCE_TEST(RefusesToConnectWhereNoRuleAllows, "bh_sock_connect") {
    Fenced mine;
    for (const InetAddress& other : kOthers) {
        const UniqueFd tcp = server_at(other, SOCK_STREAM);
        const UniqueFd udp = server_at(other, SOCK_DGRAM);
        for (const int type : {SOCK_STREAM, SOCK_DGRAM})
            expect_refused(mine, kConnect, [&] { return connect_new(other, type); });
        EXPECT_EQ(mine.last_refusal().object[3], kPort);
    }
}

FENCE_TEST(RefusesToConnectOverMultipath, "bh_sock_connect") {
    Fenced mine;
    const UniqueFd server = server_at(kOthers[0], SOCK_STREAM, IPPROTO_MPTCP);
    expect_refused(mine, kConnect,
                   [] { return connect_new(kOthers[0], SOCK_STREAM, IPPROTO_MPTCP); });
}

FENCE_TEST(RefusesMappedAddressesLikeTheirOwn, "bh_sock_connect", "bh_sock_send") {
    Fenced mine;
    const InetAddress mapped = InetAddress::mapped("127.0.0.2", kPort);
    const UniqueFd tcp = server_at(kOthers[0], SOCK_STREAM);
    const UniqueFd udp = server_at(kOthers[0], SOCK_DGRAM);
    expect_refused(mine, kConnect, [&] { return connect_new(mapped, SOCK_STREAM); });
    expect_refused(mine, kSend, [&] { return send_new(mapped, AF_INET6); });
    // A UDP socket of IPv6 also takes an address of IPv4 as it is.
    expect_refused(mine, kSend, [&] { return send_new(kOthers[0], AF_INET6); });
    mine.put_rules();
    EXPECT_EQ(Actor::run(&mine, [] { return send_new(kOthers[0], AF_INET6); }), EPERM);
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const InetAddress allowed("127.0.0.1", kPort);
                             return send_new(InetAddress::mapped("127.0.0.1", kPort), AF_INET6) |
                                    send_new(allowed, AF_INET6) | send_new(allowed, AF_INET);
                         }),
              0);
}

FENCE_TEST(RefusesToSendWithoutConnecting, "bh_sock_send") {
    Fenced mine;
    for (const InetAddress& other : kOthers) {
        const UniqueFd receiver = server_at(other, SOCK_DGRAM);
        EXPECT_EQ(Actor::run(&mine, [&] { return send_new(other, other.family()); }), EPERM);
        EXPECT_FALSE(arrived(receiver));
        expect_refused(mine, kSend, [&] { return send_new(other, other.family()); });
    }
    // Without a family a socket of IPv4 takes the address all the same.
    const UniqueFd receiver = server_at(kOthers[0], SOCK_DGRAM);
    expect_refused(mine, kSend,
                   [] { return send_new(kOthers[0].with_family(AF_UNSPEC), AF_INET); });
}

FENCE_TEST(RefusesEachMessageOfMany, "bh_sock_send") {
    Fenced mine;
    mine.put_rules();
    const InetAddress allowed("127.0.0.1", kPort);
    const UniqueFd receiver = server_at(kOthers[0], SOCK_DGRAM);
    const auto send_two = [&] {
        const UniqueFd fd = client(AF_INET, SOCK_DGRAM);
        char byte = 'x';
        iovec part{&byte, 1};
        std::array<mmsghdr, 2> messages{};
        const std::array<const InetAddress*, 2> to = {&allowed, &kOthers[0]};
        for (std::size_t i = 0; i < messages.size(); ++i) {
            messages[i].msg_hdr.msg_iov = &part;
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_hdr.msg_name = const_cast<sockaddr*>(to[i]->get());
            messages[i].msg_hdr.msg_namelen = to[i]->bytes();
        }
        return ::sendmmsg(fd.get(), messages.data(), messages.size(), 0) == 2 ? 0 : EPERM;
    };
    EXPECT_EQ(Actor::run(&mine, send_two), EPERM);
    EXPECT_FALSE(arrived(receiver));
    EXPECT_EQ(Actor::run(nullptr, send_two), 0);
    EXPECT_TRUE(arrived(receiver));
}

FENCE_TEST(RefusesFastOpen, "bh_sock_send") {
    Fenced mine;
    const UniqueFd server = server_at(kOthers[0], SOCK_STREAM);
    for (const int protocol : {IPPROTO_TCP, IPPROTO_MPTCP})
        expect_refused(mine, kSend, [&] {
            const UniqueFd fd = client(AF_INET, SOCK_STREAM, protocol);
            const int error = outcome(
                ::sendto(fd.get(), "x", 1, MSG_FASTOPEN, kOthers[0].get(), kOthers[0].bytes()));
            // Multipath connects so from 6.2.
            return error == EPIPE || error == EOPNOTSUPP ? 0 : error;
        });
}

FENCE_TEST(AllowsWhatTheFirstFittingEntryAllows, "bh_sock_connect") {
    Fenced mine;
    put_route(mine, generation_of(mine), "127.0.0.0/8",
              {one_port(BH_VERDICT_REFUSE, kPort + 1, IPPROTO_TCP, 5),
               all_ports(BH_VERDICT_ALLOW, 6, IPPROTO_TCP)});
    const UniqueFd server = server_at(kOthers[0], SOCK_STREAM);
    const UniqueFd refused = server_at(InetAddress("127.0.0.2", kPort + 1), SOCK_STREAM);
    EXPECT_EQ(Actor::run(&mine, [] { return connect_new(kOthers[0], SOCK_STREAM); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return connect_new(kOthers[0], SOCK_STREAM, IPPROTO_MPTCP); }),
              0)
        << "rules for TCP hold for its multipath";
    EXPECT_EQ(mine.state().refusal_count, 0U);
    EXPECT_EQ(Actor::run(&mine, [] { return connect_new(kOthers[0], SOCK_DGRAM); }), EPERM);
    EXPECT_EQ(
        Actor::run(&mine,
                   [] { return connect_new(InetAddress("127.0.0.2", kPort + 1), SOCK_STREAM); }),
        EPERM);
    const bh_refusal row = mine.last_refusal();
    EXPECT_EQ(row.rule, 5U);
    EXPECT_EQ(row.object[2], static_cast<__u64>(IPPROTO_TCP));
    EXPECT_EQ(row.object[3], kPort + 1U);
    EXPECT_EQ(std::string(row.text[0], 16),
              std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x02", 16));
}

TEST(Fence, TakesTheUnspecifiedAddressForTheLoopback) {
    Fenced mine;
    mine.put_rules();
    const UniqueFd v4 = server_at(InetAddress("0.0.0.0", kPort), SOCK_STREAM);
    EXPECT_EQ(
        Actor::run(&mine, [] { return connect_new(InetAddress("0.0.0.0", kPort), SOCK_STREAM); }),
        0);
    // ::1 is not among the rules.
    EXPECT_EQ(Actor::run(&mine, [] { return connect_new(InetAddress("::", kPort), SOCK_STREAM); }),
              EPERM);
}

// A connected socket goes on sending until the rules change; connected anew, it is judged anew.
FENCE_TEST(RefusesConnectedSocketsAfterAChange, "bh_sock_send") {
    Fenced mine;
    const __u32 before = generation_of(mine);
    mine.put_rules_of(before, BH_VERDICT_ALLOW);
    mine.put_rules_of(before + 1, BH_VERDICT_REFUSE);
    const UniqueFd tcp = server_at(kOthers[0], SOCK_STREAM);
    const UniqueFd udp = server_at(kOthers[0], SOCK_DGRAM);
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const UniqueFd fd = client(AF_INET, type);
        const auto connect_it = [&] {
            return outcome(::connect(fd.get(), kOthers[0].get(), kOthers[0].bytes()));
        };
        const auto send_it = [&] { return outcome(::send(fd.get(), "x", 1, MSG_NOSIGNAL)); };
        ASSERT_EQ(Actor::run(&mine, connect_it), 0);
        ASSERT_EQ(Actor::run(&mine, send_it), 0);
        mine.refuse(BH_CLASS_EGRESS);
        EXPECT_EQ(Actor::run(&mine, send_it), EPERM);
        EXPECT_EQ(mine.last_refusal().rule, kRuleOfWorld);
        EXPECT_EQ(Actor::run(&mine,
                             [&] {
                                 sockaddr none{};
                                 return outcome(::connect(fd.get(), &none, sizeof none));
                             }),
                  0)
            << "leaving a peer is no reaching";
        EXPECT_EQ(Actor::run(&mine, connect_it), EPERM);
        mine.put_rules_of(generation_of(mine) + 1, BH_VERDICT_ALLOW);
        mine.put_rules_of(generation_of(mine) + 2, BH_VERDICT_REFUSE);
        mine.refuse(BH_CLASS_EGRESS);
    }
}

// The accepted end answers; a socket that is bound to the same port and connects does not.
TEST(Fence, LetsAcceptedConnectionsAnswer) {
    Fenced mine;
    for (const InetAddress& own : {InetAddress("127.0.0.1", kPort), InetAddress("fd00::1", kPort)})
        for (const int protocol : {IPPROTO_TCP, IPPROTO_MPTCP}) {
            const UniqueFd peer = client(own.family(), SOCK_STREAM, protocol);
            // Made inside, so that its packets are the environment's.
            Actor server(&mine, [&] {
                const UniqueFd listener = server_at(own, SOCK_STREAM, protocol);
                if (::fork() != 0)
                    return;
                const UniqueFd end(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
                ::send(end.get(), "x", 1, MSG_NOSIGNAL);
                ::_exit(0);
            });
            ASSERT_EQ(outcome(::connect(peer.get(), own.get(), own.bytes())), 0);
            char byte = 0;
            EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 1) << protocol;
        }
    EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], 0U);
}

FENCE_TEST(DropsDatagramsInSilence, "bh_cg_filter") {
    Fenced mine;
    mine.put_rules(BH_VERDICT_DROP);
    for (const InetAddress& other : kOthers) {
        const UniqueFd receiver = server_at(other, SOCK_DGRAM);
        const auto send_it = [&] { return send_new(other, other.family()); };
        EXPECT_EQ(Actor::run(nullptr, send_it), 0);
        EXPECT_TRUE(arrived(receiver)) << "the control on the host failed";
        const __u64 before = mine.state().refused[BH_CLASS_EGRESS];
        EXPECT_EQ(Actor::run(&mine, send_it), 0) << "the sender was told";
        EXPECT_FALSE(arrived(receiver));
        EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], before + 1);
        EXPECT_EQ(mine.last_refusal().error, 0);
        EXPECT_EQ(mine.last_refusal().rule, kRuleOfWorld);
        EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(other, SOCK_DGRAM); }), EPERM);
    }
    mine.allow(BH_CLASS_EGRESS);
    const UniqueFd receiver = server_at(kOthers[0], SOCK_DGRAM);
    EXPECT_EQ(Actor::run(&mine, [] { return send_new(kOthers[0], AF_INET); }), 0);
    EXPECT_TRUE(arrived(receiver)) << "the filter stayed";
}

// A source route: the socket hooks are told the end of the route, the packet goes to its first
// stop.
FENCE_TEST(JudgesPacketsByWhereTheyGo, "bh_cg_filter") {
    Fenced mine;
    mine.put_rules();
    const auto send_by_route = [] {
        const UniqueFd fd = client(AF_INET, SOCK_DGRAM);
        const InetAddress allowed("127.0.0.1", kPort);
        // Strict source route by way of 127.0.0.2.
        const std::array<unsigned char, 8> route = {0x83, 7, 4, 127, 0, 0, 2, 0};
        if (::setsockopt(fd.get(), IPPROTO_IP, IP_OPTIONS, route.data(), route.size()) != 0)
            return errno;
        return outcome(::sendto(fd.get(), "x", 1, 0, allowed.get(), allowed.bytes()));
    };
    EXPECT_EQ(Actor::run(nullptr, send_by_route), 0);
    const __u64 before = mine.state().refused[BH_CLASS_EGRESS];
    EXPECT_EQ(Actor::run(&mine, send_by_route), EPERM);
    EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], before + 1);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_cgroup_egress);
    EXPECT_EQ(row.rule, kRuleOfWorld);
    EXPECT_EQ(row.object[3], kPort);
    EXPECT_EQ(row.text[0][15], 2);
    mine.set_mode(BH_MODE_AUDIT);
    EXPECT_EQ(Actor::run(&mine, send_by_route), 0);
}

// A socket that a process of the environment connected, as the host's own descriptor.
UniqueFd connected_inside(Actor& holder, int number) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, holder.pid(), 0)));
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
}

// On 6.1 sendfile() reaches no hook of sockets: there the packets are stopped.
TEST(Fence, StopsFilesThatAreSentAfterAChange) {
    constexpr int kNumber = 100;
    Fenced mine;
    mine.put_rules_of(generation_of(mine), BH_VERDICT_ALLOW);
    const UniqueFd server = server_at(kOthers[0], SOCK_STREAM);
    const Tmpfs place;
    place.write("secret");
    const UniqueFd file(::open(place.at("secret").c_str(), O_RDONLY | O_CLOEXEC));
    Actor holder(&mine, [&] {
        const UniqueFd fd = client(AF_INET, SOCK_STREAM);
        EXPECT_EQ(outcome(::connect(fd.get(), kOthers[0].get(), kOthers[0].bytes())), 0);
        EXPECT_EQ(::dup2(fd.get(), kNumber), kNumber);
    });
    const UniqueFd fd = connected_inside(holder, kNumber);
    const UniqueFd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto send_byte = [&] {
        off_t start = 0;
        return outcome(::sendfile(fd.get(), file.get(), &start, 1));
    };
    ASSERT_EQ(Actor::run(&mine, send_byte), 0);
    char byte = 0;
    ASSERT_EQ(::recv(peer.get(), &byte, 1, 0), 1);
    mine.refuse(BH_CLASS_EGRESS);
    Actor::run(&mine, send_byte);
    EXPECT_FALSE(arrived(peer)) << "the file left";
    EXPECT_GE(mine.state().refused[BH_CLASS_EGRESS], 1U);
    mine.allow(BH_CLASS_EGRESS);
    ASSERT_EQ(Actor::run(&mine, send_byte), 0);
    EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 1);
}

}  // namespace
}  // namespace bulkhead::tests
