// What goes by each rule on addresses, counted to the packet.
#include "loader/rule_use.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr in_port_t kPort = 7200;
constexpr __u16 kWorld = 3;    // refused
constexpr __u16 kAllowed = 4;  // 127.0.0.1 and fd00::1
constexpr __u16 kDropped = 5;  // 127.0.0.3
constexpr std::size_t kData = 700;
constexpr __u64 kUdpBytes = kData + 8 + 20;

// An environment with these rules, of which only those of `counted` have rows.
class Counted : public BareEnvironment {
public:
    explicit Counted(const std::vector<__u32>& counted) : BareEnvironment("mine") {
        prepare_loopback();
        refuse(BH_CLASS_EGRESS);
        begin(counted);
    }

    void begin(const std::vector<__u32>& counted) {
        const __u32 generation = generation_of(*this);
        put_route(*this, generation, "::/0", {all_ports(BH_VERDICT_REFUSE, kWorld)});
        put_route(*this, generation, "127.0.0.1/32", {all_ports(BH_VERDICT_ALLOW, kAllowed)});
        put_route(*this, generation, "fd00::1/128", {all_ports(BH_VERDICT_ALLOW, kAllowed)});
        put_route(*this, generation, "127.0.0.3/32", {all_ports(BH_VERDICT_DROP, kDropped)});
        EXPECT_TRUE(loader::put_rule_uses(label(), generation, counted).has_value());
    }

    // Rows go with their environment, as rules do.
    ~Counted() { EXPECT_TRUE(loader::drop_rule_uses(label(), generation_of(*this)).has_value()); }

    [[nodiscard]] bh_rule_use use_of(__u32 rule) {
        const auto uses = loader::read_rule_uses(label(), generation_of(*this));
        EXPECT_TRUE(uses.has_value());
        for (const loader::RuleUse& one : *uses)
            if (one.rule == rule)
                return one.use;
        ADD_FAILURE() << "rule " << rule << " has no row";
        return {};
    }
};

const std::vector<__u32> kAll = {0, kWorld, kAllowed, kDropped, BH_RULE_ANSWERS};

// How many of `count` datagrams were sent.
int send_many(const char* to, int count) {
    const InetAddress address(to, kPort);
    const UniqueFd fd = client(address.family(), SOCK_DGRAM);
    const char data[kData]{};
    int sent = 0;
    for (int i = 0; i < count; ++i)
        if (::sendto(fd.get(), data, sizeof data, 0, address.get(), address.bytes()) > 0)
            ++sent;
    return sent;
}

FENCE_TEST(CountsByRuleWhatLeaves, "bh_cg_filter") {
    Counted mine(kAll);
    const UniqueFd receiver = server_at(InetAddress("127.0.0.1", kPort), SOCK_DGRAM);
    const UniqueFd receiver6 = server_at(InetAddress("fd00::1", kPort), SOCK_DGRAM);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.1", 50); }), 50);
    EXPECT_EQ(mine.use_of(kAllowed).packets, 50U);
    EXPECT_EQ(mine.use_of(kAllowed).bytes, 50 * kUdpBytes);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("fd00::1", 10); }), 10);
    EXPECT_EQ(mine.use_of(kAllowed).packets, 60U);
    EXPECT_EQ(mine.use_of(kAllowed).bytes, 60 * kUdpBytes + 10 * 20);
    EXPECT_EQ(mine.use_of(kWorld).packets, 0U);
    EXPECT_EQ(mine.use_of(BH_RULE_ANSWERS).packets, 0U);
    EXPECT_EQ(Actor::run(nullptr, [] { return send_many("127.0.0.1", 5); }), 5);
    EXPECT_EQ(mine.use_of(kAllowed).packets, 60U) << "the host's own are not counted";
}

FENCE_TEST(CountsByRuleWhatIsRefused, "bh_cg_filter", "bh_sock_send") {
    Counted mine(kAll);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.2", 7); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("fd00::2", 2); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.3", 4); }), 4) << "in silence";
    const bh_rule_use world = mine.use_of(kWorld), dropped = mine.use_of(kDropped);
    EXPECT_EQ(world.refused, 9U);
    EXPECT_EQ(world.dropped, 0U);
    EXPECT_EQ(world.packets, 0U);
    EXPECT_EQ(dropped.refused, 4U);
    EXPECT_EQ(dropped.dropped, 4U);
    EXPECT_EQ(dropped.packets, 0U);
    const bh_state state = mine.state();
    EXPECT_EQ(state.refused[BH_CLASS_EGRESS], 13U);
    EXPECT_EQ(state.counts.unreached[BH_FAMILY_IPV4], 11U);
    EXPECT_EQ(state.counts.unreached[BH_FAMILY_IPV6], 2U);
    EXPECT_EQ(state.counts.unreached[BH_FAMILY_OTHER], 0U);
}

FENCE_TEST(CountsByRuleWhoConnects, "bh_sock_connect") {
    Counted mine(kAll);
    const UniqueFd open = server_at(InetAddress("127.0.0.1", kPort), SOCK_STREAM);
    const UniqueFd shut = server_at(InetAddress("127.0.0.2", kPort), SOCK_STREAM);
    const auto connect_to = [](const InetAddress& address) {
        return [address] { return connect_new(address, SOCK_STREAM); };
    };
    EXPECT_EQ(Actor::run(&mine, connect_to({"127.0.0.1", kPort})), 0);
    EXPECT_EQ(Actor::run(&mine, connect_to(InetAddress::mapped("127.0.0.1", kPort))), 0);
    EXPECT_EQ(Actor::run(&mine, connect_to({"127.0.0.2", kPort})), EPERM);
    EXPECT_EQ(mine.use_of(kAllowed).connects, 2U);
    EXPECT_GT(mine.use_of(kAllowed).packets, 4U);
    EXPECT_EQ(mine.use_of(kWorld).connects, 0U);
    EXPECT_EQ(mine.use_of(kWorld).refused, 1U);
}

// In audit mode all leaves, by the rule that would have refused it.
FENCE_TEST(CountsByRuleWhatIsAudited, "bh_cg_filter") {
    Counted mine(kAll);
    bh_policy audited{};
    audited.audited = 1ULL << BH_CLASS_EGRESS;
    put_policy(mine, generation_of(mine), audited);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.2", 6); }), 6);
    EXPECT_EQ(mine.use_of(kWorld).audited, 6U);
    EXPECT_EQ(mine.use_of(kWorld).refused, 0U);
    EXPECT_EQ(mine.use_of(kWorld).packets, 6U);
    EXPECT_EQ(mine.use_of(kWorld).bytes, 6 * kUdpBytes);
    EXPECT_EQ(mine.state().counts.unreached[BH_FAMILY_IPV4], 0U);
}

// The peer's address is one that the policy refuses: answering is no reaching.
FENCE_TEST(CountsAnswersApart, "bh_cg_filter") {
    Counted mine(kAll);
    const InetAddress own("127.0.0.1", kPort);
    Actor server(&mine, [&] {
        const UniqueFd listener = server_at(own, SOCK_STREAM);
        if (::fork() != 0)
            return;
        const UniqueFd end(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        ::send(end.get(), "x", 1, MSG_NOSIGNAL);
        ::_exit(0);
    });
    const UniqueFd peer = client(AF_INET, SOCK_STREAM);
    const InetAddress from("127.0.0.2", 0);
    ASSERT_EQ(outcome(::bind(peer.get(), from.get(), from.bytes())), 0);
    ASSERT_EQ(outcome(::connect(peer.get(), own.get(), own.bytes())), 0);
    char byte = 0;
    EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 1);
    EXPECT_GE(mine.use_of(BH_RULE_ANSWERS).packets, 2U) << "what opens it, and the byte";
    EXPECT_EQ(mine.use_of(kWorld).packets, 0U);
    EXPECT_EQ(mine.use_of(kWorld).refused, 0U);
}

FENCE_TEST(CountsRulesWithoutARowTogether, "bh_cg_filter") {
    Counted mine({0, kWorld, BH_RULE_OTHERS, BH_RULE_ANSWERS});
    const UniqueFd receiver = server_at(InetAddress("127.0.0.1", kPort), SOCK_DGRAM);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.1", 3); }), 3);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.3", 2); }), 2);
    EXPECT_EQ(mine.use_of(BH_RULE_OTHERS).packets, 3U);
    EXPECT_EQ(mine.use_of(BH_RULE_OTHERS).dropped, 2U);
    EXPECT_EQ(mine.use_of(kWorld).refused, 0U);
}

// A number means another rule in the next generation, which begins at nothing.
FENCE_TEST(BeginsToCountAnewWithTheRules, "bh_cg_filter") {
    Counted mine(kAll);
    const UniqueFd receiver = server_at(InetAddress("127.0.0.1", kPort), SOCK_DGRAM);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.1", 3); }), 3);
    const __u32 before = generation_of(mine);
    mine.refuse(BH_CLASS_EGRESS);
    ASSERT_NE(generation_of(mine), before);
    mine.begin(kAll);
    EXPECT_EQ(mine.use_of(kAllowed).packets, 0U);
    EXPECT_EQ(Actor::run(&mine, [] { return send_many("127.0.0.1", 2); }), 2);
    EXPECT_EQ(mine.use_of(kAllowed).packets, 2U);
    ASSERT_TRUE(loader::drop_other_rule_uses(mine.label(), generation_of(mine)).has_value());
    EXPECT_TRUE(loader::read_rule_uses(mine.label(), before)->empty());
    EXPECT_EQ(mine.use_of(kAllowed).packets, 2U);
}

}  // namespace
}  // namespace bulkhead::tests
