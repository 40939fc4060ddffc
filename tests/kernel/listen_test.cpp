// Served ports: what may be bound and listened on.
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kBind{BH_HOOK_socket_bind, BH_CLASS_LISTEN, EPERM};
constexpr Expected kListen{BH_HOOK_socket_listen, BH_CLASS_LISTEN, EPERM};
constexpr in_port_t kPort = 7200;

class Served : public BareEnvironment {
public:
    Served() : BareEnvironment("mine") {
        prepare_loopback();
        refuse(BH_CLASS_LISTEN);
    }
    // Ports 7200 to 7209 of TCP.
    void put_rules() {
        bh_policy policy{};
        policy.listen_count = 1;
        policy.listen[0] = {kPort, kPort + 9, IPPROTO_TCP, BH_VERDICT_ALLOW, 4};
        put_policy(*this, generation_of(*this), policy);
    }
};

int bind_new(const InetAddress& address, int family, int type, int protocol = 0) {
    const UniqueFd fd = client(family, type, protocol);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return outcome(::bind(fd.get(), address.get(), address.bytes()));
}

int listen_new(const InetAddress* address, int protocol) {
    const UniqueFd fd = client(AF_INET, SOCK_STREAM, protocol);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address != nullptr && ::bind(fd.get(), address->get(), address->bytes()) != 0)
        return errno;
    return outcome(::listen(fd.get(), 8));
}

FENCE_TEST(RefusesPortsThatAreNotListed, "bh_sock_bind") {
    Served mine;
    const InetAddress v4("127.0.0.1", kPort);
    const InetAddress v6("::1", kPort);
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        expect_refused(mine, kBind, [&] { return bind_new(v4, AF_INET, type); });
        expect_refused(mine, kBind, [&] { return bind_new(v6, AF_INET6, type); });
    }
    EXPECT_EQ(mine.last_refusal().object[3], kPort);
    expect_refused(mine, kBind, [&] { return bind_new(v4, AF_INET, SOCK_STREAM, IPPROTO_MPTCP); });
    // A socket of IPv4 is bound by an address without a family as well, if it is the unspecified.
    expect_refused(mine, kBind, [] {
        return bind_new(InetAddress("0.0.0.0", kPort).with_family(AF_UNSPEC), AF_INET, SOCK_STREAM);
    });
}

TEST(Fence, AllowsPortsThatAreListed) {
    Served mine;
    mine.put_rules();
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const InetAddress first("127.0.0.1", kPort);
                             const InetAddress last("127.0.0.1", kPort + 9);
                             return listen_new(&first, 0) | listen_new(&last, 0) |
                                    listen_new(&last, IPPROTO_MPTCP) |
                                    bind_new(InetAddress("127.0.0.1", 0), AF_INET, SOCK_STREAM) |
                                    bind_new(InetAddress("127.0.0.1", 0), AF_INET, SOCK_DGRAM);
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
    for (const in_port_t beside : {in_port_t{kPort - 1}, in_port_t{kPort + 10}})
        EXPECT_EQ(
            Actor::run(
                &mine,
                [&] { return bind_new(InetAddress("127.0.0.1", beside), AF_INET, SOCK_STREAM); }),
            EPERM);
    EXPECT_EQ(
        Actor::run(&mine,
                   [] { return bind_new(InetAddress("127.0.0.1", kPort), AF_INET, SOCK_DGRAM); }),
        EPERM)
        << "the rule is for TCP";
}

FENCE_TEST(RefusesToListenOnAPortOfTheKernelsChoice, "bh_sock_listen") {
    Served mine;
    const InetAddress any_port("127.0.0.1", 0);
    for (const int protocol : {IPPROTO_TCP, IPPROTO_MPTCP}) {
        expect_refused(mine, kListen, [&] { return listen_new(nullptr, protocol); });
        expect_refused(mine, kListen, [&] { return listen_new(&any_port, protocol); });
    }
}

// Bound before the rule, or by someone else.
FENCE_TEST(RefusesToListenOnASocketThatIsBoundAlready, "bh_sock_listen") {
    Served mine;
    const InetAddress address("127.0.0.1", kPort);
    const UniqueFd fd = client(AF_INET, SOCK_STREAM);
    ASSERT_EQ(outcome(::bind(fd.get(), address.get(), address.bytes())), 0);
    expect_refused(mine, kListen, [&] { return outcome(::listen(fd.get(), 8)); });
}

TEST(Fence, LeavesUnixSocketsToServe) {
    Served mine;
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const UniqueFd fd = client(AF_UNIX, SOCK_STREAM);
                             const sockaddr name{AF_UNIX, {}};
                             return outcome(::bind(fd.get(), &name, sizeof(sa_family_t))) |
                                    outcome(::listen(fd.get(), 8));
                         }),
              0);
}

}  // namespace
}  // namespace bulkhead::tests
