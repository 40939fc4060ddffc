// [network] with names: the sockets of other environments in one network namespace, reached or not.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "loader/pins.h"
#include "loader/rule_use.h"
#include "runtime/policy/policy.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr in_port_t kPort = 7300;
constexpr int kNumber = 100;  // of the descriptor that a process inside hands out

// [network] with this text, or no policy at all.
loader::Rules network(const std::string& text) {
    auto policy = policy::compile({{"test.toml", "[network]\n" + text}});
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return policy ? std::move(policy->rules) : loader::Rules{};
}

const std::string kRefuseOther = "refuse = [\"environment:other\"]\n";
const std::string kAllowOther = "default = \"refuse\"\nallow = [\"environment:other\"]\n";

void say(BareEnvironment& environment, const loader::Rules& rules) {
    const auto published = environment.publish_rules(rules);
    ASSERT_TRUE(published.has_value()) << published.error().message();
}

// A socket that a process of `owner` made; `descriptor` is the same one, held by the test.
class Inside {
public:
    Inside(BareEnvironment* owner, const std::function<UniqueFd()>& make)
        : holder_(std::make_unique<Actor>(owner, [&] {
              const UniqueFd made = make();
              EXPECT_EQ(::dup2(made.get(), kNumber), kNumber);
          })) {
        const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, holder_->pid(), 0)));
        descriptor =
            UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), kNumber, 0)));
        EXPECT_TRUE(descriptor);
    }

    UniqueFd descriptor;

private:
    std::unique_ptr<Actor> holder_;
};

Inside server_of(BareEnvironment* owner, const InetAddress& address, int type) {
    return {owner, [&] { return server_at(address, type); }};
}

// True when a connection or a datagram came.
bool came(const Inside& server, int type) {
    if (type == SOCK_DGRAM)
        return arrived(server.descriptor);
    ::fcntl(server.descriptor.get(), F_SETFL, O_NONBLOCK);
    return static_cast<bool>(
        UniqueFd(::accept4(server.descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

// An act of `mine` on the server of `other`.
struct Reach {
    bh_hook hook;
    InetAddress server;
    int type;
    std::function<int()> act;
    bool comes = true;  // at the server, when it is done
};

class EgressNames : public testing::Test {
protected:
    EgressNames() {
        prepare_loopback();
        EXPECT_EQ(std::system("ip address replace 10.99.0.1/32 dev lo"), 0);
    }

    void expect_passes(const Reach& reach, const Inside& server, const char* when) {
        const __u64 before = mine.state().refusal_count;
        EXPECT_EQ(Actor::run(&mine, reach.act), 0) << when;
        EXPECT_EQ(mine.state().refusal_count, before) << when;
        EXPECT_EQ(came(server, reach.type), reach.comes) << when;
    }

    void expect_refused(const Reach& reach, const Inside& server, const char* when) {
        const __u64 before = mine.state().refused[BH_CLASS_EGRESS];
        EXPECT_EQ(Actor::run(&mine, reach.act), EPERM) << when;
        EXPECT_FALSE(came(server, reach.type)) << when;
        EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], before + 1) << when;
        const bh_refusal row = mine.last_refusal();
        EXPECT_EQ(row.hook, reach.hook) << when;
        EXPECT_EQ(row.class_id, BH_CLASS_EGRESS) << when;
        EXPECT_EQ(row.error, -EPERM) << when;
        EXPECT_EQ(row.flags, 0U) << when;
        EXPECT_EQ(row.generation, generation_of(mine)) << when;
        EXPECT_EQ(row.object[3], kPort) << when;
    }

    void expect_named(const char* name, __u32 rule) {
        const bh_refusal row = mine.last_refusal();
        bh_reached_text text{};
        std::memcpy(&text, row.text, sizeof text);
        EXPECT_STREQ(text.name, name);
        EXPECT_EQ(row.rule, rule);
        EXPECT_NE(row.pid, 0U);
    }

    void expect_by_name(const Reach& reach) {
        const Inside server = server_of(&other, reach.server, reach.type);
        say(mine, {});
        expect_passes(reach, server, "no policy");
        say(mine, network(kRefuseOther));
        expect_refused(reach, server, "the name is refused");
        expect_named("other", 2);
        ASSERT_TRUE(mine.change({.mode = BH_MODE_AUDIT}).has_value());
        const __u64 audited = mine.state().audited[BH_CLASS_EGRESS];
        EXPECT_EQ(Actor::run(&mine, reach.act), 0) << "audit";
        EXPECT_EQ(came(server, reach.type), reach.comes) << "audit";
        EXPECT_EQ(mine.state().audited[BH_CLASS_EGRESS], audited + 1);
        ASSERT_TRUE(
            mine.change({.allow = 1ULL << BH_CLASS_EGRESS, .mode = BH_MODE_ENFORCE}).has_value());
        expect_passes(reach, server, "the control is off");
        ASSERT_TRUE(mine.change({.refuse = 1ULL << BH_CLASS_EGRESS}).has_value());
        expect_refused(reach, server, "it is on again");
        say(mine, network("refuse = [\"environment:others\"]\n"));
        expect_passes(reach, server, "another name");
        say(mine, network(kAllowOther));
        expect_passes(reach, server, "allowed by name, where no address is");
        say(mine, network("default = \"refuse\"\nallow = [\"environment:others\"]\n"));
        expect_refused(reach, server, "another one is allowed");
        expect_named("other", 1);
        EXPECT_EQ(Actor::run(nullptr, reach.act), 0) << "the host";
        EXPECT_EQ(came(server, reach.type), reach.comes) << "the host";
    }

    BareEnvironment mine{"mine"};
    BareEnvironment other{"other"};
};

#define NAMES_TEST(name, ...)               \
    PROVES(EgressNames, name, __VA_ARGS__); \
    TEST_F(EgressNames, name)

Reach connecting(const InetAddress& server, const InetAddress& to, int type) {
    return {BH_HOOK_cgroup_connect, server, type, [to, type] { return connect_new(to, type); },
            type == SOCK_STREAM};
}

Reach sending(const InetAddress& server, const InetAddress& to, int family) {
    return {BH_HOOK_cgroup_sendmsg, server, SOCK_DGRAM,
            [to, family] { return send_new(to, family); }};
}

NAMES_TEST(ConnectByStream, "bh_cg_connect4") {
    const InetAddress loopback("127.0.0.1", kPort), own("10.99.0.1", kPort), any("0.0.0.0", kPort);
    expect_by_name(connecting(loopback, loopback, SOCK_STREAM));
    expect_by_name(connecting(own, own, SOCK_STREAM));
    expect_by_name(connecting(any, own, SOCK_STREAM));
    expect_by_name(connecting(any, any, SOCK_STREAM));
}

NAMES_TEST(ConnectByStreamOverIPv6, "bh_cg_connect6") {
    const InetAddress loopback("::1", kPort), own("fd00::1", kPort), any("::", kPort);
    expect_by_name(connecting(loopback, loopback, SOCK_STREAM));
    expect_by_name(connecting(any, own, SOCK_STREAM));
}

NAMES_TEST(ConnectToMappedAddresses, "bh_cg_connect6") {
    const InetAddress v4("127.0.0.1", kPort), any("::", kPort);
    expect_by_name(connecting(v4, InetAddress::mapped("127.0.0.1", kPort), SOCK_STREAM));
    expect_by_name(connecting(any, InetAddress::mapped("10.99.0.1", kPort), SOCK_STREAM));
}

// A server on all addresses of IPv6 takes IPv4 too.
NAMES_TEST(ConnectToADualServer, "bh_cg_connect4") {
    expect_by_name(
        connecting(InetAddress("::", kPort), InetAddress("10.99.0.1", kPort), SOCK_STREAM));
}

NAMES_TEST(ConnectForDatagrams, "bh_cg_connect4", "bh_cg_connect6") {
    for (const InetAddress& address :
         {InetAddress("10.99.0.1", kPort), InetAddress("fd00::1", kPort)})
        expect_by_name(connecting(address, address, SOCK_DGRAM));
}

NAMES_TEST(SendDatagrams, "bh_cg_sendmsg4") {
    const InetAddress own("10.99.0.1", kPort), any("0.0.0.0", kPort);
    expect_by_name(sending(own, own, AF_INET));
    expect_by_name(sending(any, own, AF_INET));
    expect_by_name(sending(own, InetAddress::mapped("10.99.0.1", kPort), AF_INET6));
    expect_by_name(sending(own, own, AF_INET6));
}

NAMES_TEST(SendDatagramsOverIPv6, "bh_cg_sendmsg6") {
    const InetAddress own("fd00::1", kPort), any("::", kPort);
    expect_by_name(sending(own, own, AF_INET6));
    expect_by_name(sending(any, own, AF_INET6));
}

NAMES_TEST(ConnectByFastOpen, "bh_cg_connect4") {
    const InetAddress own("127.0.0.1", kPort);
    expect_by_name({BH_HOOK_cgroup_connect, own, SOCK_STREAM,
                    [own] { return send_new(own, AF_INET, MSG_FASTOPEN, SOCK_STREAM); }});
}

// Each is found by the address that it was connected to, whoever is there now.
NAMES_TEST(SendToAConnectedPeer, "bh_cg_filter") {
    const InetAddress own("10.99.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_DGRAM);
    const Inside peer(&mine, [&] {
        UniqueFd fd = client(AF_INET, SOCK_DGRAM);
        EXPECT_EQ(outcome(::connect(fd.get(), own.get(), own.bytes())), 0);
        return fd;
    });
    const auto send_it = [&] { return outcome(::send(peer.descriptor.get(), "x", 1, 0)); };
    const Reach reach{BH_HOOK_cgroup_egress, own, SOCK_DGRAM, send_it};
    expect_passes(reach, server, "no policy");
    say(mine, network(kRefuseOther));
    expect_refused(reach, server, "refused");
    ASSERT_TRUE(mine.change({.mode = BH_MODE_AUDIT}).has_value());
    EXPECT_EQ(Actor::run(&mine, send_it), 0);
    EXPECT_TRUE(arrived(server.descriptor));
    EXPECT_EQ(mine.state().audited[BH_CLASS_EGRESS], 1U);
    ASSERT_TRUE(mine.change({.mode = BH_MODE_ENFORCE}).has_value());
    say(mine, network(kAllowOther));
    expect_passes(reach, server, "allowed");
}

// The connection knows whom it reached.
TEST_F(EgressNames, HoldForConnectionsThatStand) {
    const InetAddress own("127.0.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_STREAM);
    say(mine, network(kAllowOther));
    const Inside peer(&mine, [&] {
        UniqueFd fd = client(AF_INET, SOCK_STREAM);
        EXPECT_EQ(outcome(::connect(fd.get(), own.get(), own.bytes())), 0);
        return fd;
    });
    const UniqueFd end(::accept4(server.descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto send_it = [&] {
        return outcome(::send(peer.descriptor.get(), "x", 1, MSG_NOSIGNAL));
    };
    EXPECT_EQ(Actor::run(&mine, send_it), 0);
    EXPECT_TRUE(arrived(end));
    say(mine, network(kRefuseOther));
    const __u64 before = mine.state().refused[BH_CLASS_EGRESS];
    EXPECT_EQ(Actor::run(&mine, send_it), EPERM);
    EXPECT_FALSE(arrived(end));
    EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], before + 1);
    EXPECT_EQ(mine.last_refusal().hook, BH_HOOK_socket_sendmsg);
    expect_named("other", 2);
    say(mine, {});
    EXPECT_EQ(Actor::run(&mine, send_it), 0);
    EXPECT_TRUE(arrived(end));
}

// Who closes first is not found at the address any more when the other end closes.
TEST_F(EgressNames, LetAConnectionEnd) {
    const InetAddress own("127.0.0.1", kPort);
    say(mine, network(kAllowOther));
    Inside server = server_of(&other, own, SOCK_STREAM);
    for (int i = 0; i < 2; ++i) {
        Inside peer(&mine, [&] {
            UniqueFd fd = client(AF_INET, SOCK_STREAM);
            EXPECT_EQ(outcome(::connect(fd.get(), own.get(), own.bytes())), 0);
            return fd;
        });
        UniqueFd end(::accept4(server.descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC));
        ASSERT_TRUE(end);
        if (i == 0)
            end.reset();
        EXPECT_EQ(::shutdown(peer.descriptor.get(), SHUT_RDWR), 0);
    }
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

TEST_F(EgressNames, LetDatagramsVanishOnce) {
    const InetAddress own("10.99.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_DGRAM);
    const Inside peer(&mine, [&] {
        UniqueFd fd = client(AF_INET, SOCK_DGRAM);
        EXPECT_EQ(outcome(::connect(fd.get(), own.get(), own.bytes())), 0);
        return fd;
    });
    say(mine, network("drop = [\"environment:other\"]\n"));
    const auto send_all = [&] {
        const int fd = peer.descriptor.get();
        return outcome(::send(fd, "x", 1, 0)) |
               outcome(::sendto(fd, "x", 1, 0, own.get(), own.bytes())) | send_new(own, AF_INET);
    };
    EXPECT_EQ(Actor::run(&mine, send_all), 0) << "the sender was told";
    EXPECT_FALSE(arrived(server.descriptor));
    EXPECT_EQ(mine.state().refused[BH_CLASS_EGRESS], 3U);
    EXPECT_EQ(mine.last_refusal().error, 0);
    const auto uses = loader::read_rule_uses(mine.label(), generation_of(mine));
    ASSERT_TRUE(uses.has_value());
    for (const loader::RuleUse& one : *uses) {
        EXPECT_EQ(one.use.dropped, one.rule == 2 ? 3U : 0U) << one.rule;
        EXPECT_EQ(one.use.refused, one.rule == 2 ? 3U : 0U) << one.rule;
    }
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(own, SOCK_STREAM); }), ECONNREFUSED)
        << "nobody is there for a stream";
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(own, SOCK_DGRAM); }), EPERM);
}

TEST_F(EgressNames, CountByRuleWhoConnects) {
    const InetAddress own("127.0.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_STREAM);
    say(mine, network(kAllowOther));
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(own, SOCK_STREAM); }), 0);
    EXPECT_EQ(mine.state().counts.connects[BH_FAMILY_IPV4], 1U);
    const auto uses = loader::read_rule_uses(mine.label(), generation_of(mine));
    ASSERT_TRUE(uses.has_value());
    for (const loader::RuleUse& one : *uses) {
        EXPECT_EQ(one.use.connects, one.rule == 3 ? 1U : 0U) << one.rule;
        EXPECT_EQ(one.use.packets > 2, one.rule == 3) << one.rule;
    }
}

TEST_F(EgressNames, HoldForTheirPortsAndProtocolsOnly) {
    const InetAddress own("127.0.0.1", kPort), beside("127.0.0.1", kPort + 1);
    const Inside server = server_of(&other, own, SOCK_STREAM);
    const Inside next = server_of(&other, beside, SOCK_STREAM);
    const Inside datagrams = server_of(&other, own, SOCK_DGRAM);
    say(mine, network("refuse = [\"environment:other:7300/tcp\"]\n"));
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(own, SOCK_STREAM); }), EPERM);
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(beside, SOCK_STREAM); }), 0);
    EXPECT_EQ(Actor::run(&mine, [&] { return send_new(own, AF_INET); }), 0);
}

// The name decides before the address, in both directions.
TEST_F(EgressNames, DecideBeforeAddresses) {
    const InetAddress own("127.0.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_STREAM);
    const auto connect_it = [&] { return connect_new(own, SOCK_STREAM); };
    say(mine, network("refuse = [\"127.0.0.1\"]\nallow = [\"environment:other\"]\n"));
    EXPECT_EQ(Actor::run(&mine, connect_it), 0);
    say(mine, network("default = \"refuse\"\nallow = [\"127.0.0.1\"]\n" + kRefuseOther));
    EXPECT_EQ(Actor::run(&mine, connect_it), EPERM);
}

TEST_F(EgressNames, LeaveOthersAndTheHostAlone) {
    const InetAddress own("127.0.0.1", kPort);
    say(mine, network(kRefuseOther));
    const auto connect_it = [&] { return connect_new(own, SOCK_STREAM); };
    {
        const UniqueFd of_host = server_at(own, SOCK_STREAM);
        EXPECT_EQ(Actor::run(&mine, connect_it), 0);
    }
    BareEnvironment third("third");
    {
        const Inside server = server_of(&third, own, SOCK_STREAM);
        EXPECT_EQ(Actor::run(&mine, connect_it), 0);
    }
    const Inside server = server_of(&other, own, SOCK_STREAM);
    EXPECT_EQ(Actor::run(&third, connect_it), 0) << "the policy is mine alone";
    EXPECT_EQ(Actor::run(&mine, connect_it), EPERM);
}

// A server on all addresses is found for those of other machines too.
TEST_F(EgressNames, AreNotThoseOfOtherMachines) {
    const Inside server = server_of(&other, InetAddress("::", kPort), SOCK_STREAM);
    say(mine, network(kRefuseOther));
    for (const InetAddress& away :
         {InetAddress("192.0.2.1", kPort), InetAddress("2001:db8::1", kPort)})
        EXPECT_NE(Actor::run(&mine, [&] { return connect_new(away, SOCK_STREAM); }), EPERM);
    EXPECT_EQ(mine.state().refusal_count, 0U);
    say(mine, network(kAllowOther));
    for (const InetAddress& away :
         {InetAddress("192.0.2.1", kPort), InetAddress("2001:db8::1", kPort)})
        EXPECT_EQ(Actor::run(&mine, [&] { return connect_new(away, SOCK_STREAM); }), EPERM);
}

// The next one at the address and in the slot is not the one that was named.
TEST(EgressNamesLater, TakeEffectWithTheOtherAndEndWithIt) {
    prepare_loopback();
    const InetAddress own("127.0.0.1", kPort);
    BareEnvironment mine("mine");
    say(mine, network("refuse = [\"environment:later\"]\n"));
    const auto reach = [&](const std::string& name) {
        BareEnvironment later(name);
        const Inside server = server_of(&later, own, SOCK_STREAM);
        const int error = Actor::run(&mine, [&] { return connect_new(own, SOCK_STREAM); });
        return std::pair(error, later.label().slot);
    };
    const auto [before, first_slot] = reach("later");
    EXPECT_EQ(before, EPERM);
    const auto [meanwhile, slot] = reach("later2");
    EXPECT_EQ(meanwhile, 0);
    EXPECT_EQ(slot, first_slot) << "it was to be the same slot";
    EXPECT_EQ(reach("later").first, EPERM) << "a later one of the name";
}

// A socket that outlives its environment is nobody's.
TEST(EgressNamesLater, DoNotHoldForWhatOutlivesTheOther) {
    prepare_loopback();
    const InetAddress own("127.0.0.1", kPort);
    BareEnvironment mine("mine");
    say(mine, network("refuse = [\"environment:gone\"]\n"));
    const auto connect_it = [&] { return connect_new(own, SOCK_STREAM); };
    UniqueFd left;
    {
        BareEnvironment gone("gone");
        Inside server = server_of(&gone, own, SOCK_STREAM);
        EXPECT_EQ(Actor::run(&mine, connect_it), EPERM);
        left = std::move(server.descriptor);
    }
    EXPECT_EQ(Actor::run(&mine, connect_it), 0);
    BareEnvironment heir("heir");
    EXPECT_EQ(Actor::run(&mine, connect_it), 0);
}

// Programs on the cgroup do not see a socket that was made elsewhere.
TEST_F(EgressNames, RefuseWhatCannotBeTold) {
    const InetAddress own("127.0.0.1", kPort);
    const Inside server = server_of(&other, own, SOCK_STREAM);
    const auto connect_with = [&](const UniqueFd& fd) {
        return outcome(::connect(fd.get(), own.get(), own.bytes()));
    };
    say(mine, network("refuse = [\"environment:nobody\"]\n"));
    const UniqueFd outside = client(AF_INET, SOCK_STREAM);
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_with(outside); }), EPERM);
    EXPECT_EQ(mine.last_refusal().flags, BH_REFUSAL_INTERNAL);
    EXPECT_EQ(mine.state().internal, 1U);
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_with(client(AF_INET, SOCK_STREAM)); }), 0);
    say(mine, {});
    EXPECT_EQ(Actor::run(&mine, [&] { return connect_with(outside); }), 0);
}

std::string link_of(const char* program, const BareEnvironment& environment) {
    return loader::link_pin(std::string(program) + "-" +
                            std::to_string(environment.label().serial));
}

TEST_F(EgressNames, LeaveNothingBehind) {
    const std::size_t before = all_rule_rows();
    for (const char* program :
         {"bh_cg_connect4", "bh_cg_connect6", "bh_cg_sendmsg4", "bh_cg_sendmsg6"}) {
        const std::string link = link_of(program, mine);
        say(mine, network(kRefuseOther));
        EXPECT_EQ(::access(link.c_str(), F_OK), 0) << program;
        ASSERT_TRUE(mine.change({.allow = 1ULL << BH_CLASS_EGRESS}).has_value());
        EXPECT_NE(::access(link.c_str(), F_OK), 0) << program;
        ASSERT_TRUE(mine.change({.refuse = 1ULL << BH_CLASS_EGRESS}).has_value());
        EXPECT_EQ(::access(link.c_str(), F_OK), 0) << program;
        say(mine, network("default = \"refuse\"\n"));
        EXPECT_NE(::access(link.c_str(), F_OK), 0) << program;
        EXPECT_EQ(::access(link_of("bh_cg_filter", mine).c_str(), F_OK), 0);
    }
    EXPECT_EQ(mine.record().flags & BH_ENV_NAMES, 0U);
    say(mine, {});
    EXPECT_EQ(all_rule_rows(), before);
}

}  // namespace
}  // namespace bulkhead::tests
