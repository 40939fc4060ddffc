// Publication: whatever happens while policies change, each act is decided by one of them entire.
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <random>
#include <vector>

#include "loader/refusals.h"
#include "loader/rules.h"
#include "runtime/policy/policy.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr in_port_t kPort = 7300;
constexpr in_port_t kFirstServed = 7310;  // x, then y and z

enum Object { kX, kY, kZ, kObjects };
constexpr std::array<const char*, kObjects> kAddresses = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};

// One allows all but what it names, the other nothing else: rows of the one that were gone half,
// or read with the other's, would let z pass.
constexpr const char* kPolicyA = R"([network]
refuse = ["127.0.0.3", "127.0.0.4"]
listen = ["tcp/7310"]
)";
constexpr const char* kPolicyB = R"([network]
default = "refuse"
allow = ["127.0.0.3"]
listen = ["tcp/7311"]
)";

policy::Policy compiled(const std::string& text) {
    auto sources = policy::resolve({"test.toml", text});
    EXPECT_TRUE(sources.has_value());
    auto policy = policy::compile(std::move(*sources));
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return std::move(*policy);
}

// Generations with an odd number are A's, the others B's.
class Swapped : public BareEnvironment {
public:
    Swapped() : BareEnvironment("mine"), policies_{compiled(kPolicyB), compiled(kPolicyA)} {
        prepare_loopback();
    }
    [[nodiscard]] const policy::Policy& policy_of(__u32 generation) const {
        return policies_.at(generation % 2);
    }
    void swap() {
        const auto& next = policy_of(generation_of(*this) + 1);
        const auto published = publish_rules(next.rules);
        EXPECT_TRUE(published.has_value()) << published.error().message();
    }
    // By a process of its own, which has no mapping of this one's.
    void swap_for_ever() const {
        auto environments = loader::Environments::open();
        while (environments) {
            const auto now = BH_CONTROL_GENERATION(environments->record(label())->control);
            (void)environments->publish_rules(label(), policy_of(static_cast<__u32>(now) + 1).rules,
                                              [](__u32) { return Status{}; });
        }
    }
    // `object` by connecting, sending and serving.
    [[nodiscard]] static bool passes(__u32 generation, Object object) {
        return object == (generation % 2 == 1 ? kX : kY);
    }

private:
    std::array<policy::Policy, 2> policies_;
};

int reach_by_connecting(Object object) {
    return connect_new(InetAddress(kAddresses.at(object), kPort), SOCK_DGRAM);
}

int reach_by_sending(Object object) {
    return send_new(InetAddress(kAddresses.at(object), kPort), AF_INET);
}

int serve(Object object) {
    const UniqueFd fd = client(AF_INET, SOCK_STREAM);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const InetAddress own("127.0.0.1", static_cast<in_port_t>(kFirstServed + object));
    if (::bind(fd.get(), own.get(), own.bytes()) != 0)
        return errno;
    return ::listen(fd.get(), 8) == 0 ? 0 : errno;
}

constexpr std::array kActs = {reach_by_connecting, reach_by_sending, serve};

// Counted by the processes that hammer, in memory that they share with the test.
struct Counts {
    std::atomic<bool> stop;
    struct {
        std::atomic<__u64> passed[kObjects];
        std::atomic<__u64> refused[kObjects];
        std::atomic<__u64> otherwise;
    } acts[kActs.size()];
};

struct Unmap {
    void operator()(Counts* counts) const { ::munmap(counts, sizeof *counts); }
};

std::unique_ptr<Counts, Unmap> share_counts() {
    void* memory =
        ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    return std::unique_ptr<Counts, Unmap>(new (memory) Counts{});
}

int hammer(Counts& counts, std::size_t act) {
    ::alarm(600);
    // There are more of them than processors.
    ::setpriority(PRIO_PROCESS, 0, 10);
    auto& mine = counts.acts[act];
    while (!counts.stop) {
        for (const Object object : {kX, kY, kZ}) {
            const int error = kActs.at(act)(object);
            if (error == 0)
                ++mine.passed[object];
            else if (error == EPERM)
                ++mine.refused[object];
            else
                ++mine.otherwise;
        }
    }
    return 0;
}

Object object_of(const bh_refusal& row) {
    if (row.class_id == BH_CLASS_LISTEN)
        return static_cast<Object>(row.object[3] - kFirstServed);
    constexpr std::size_t kLastByte = 15;
    return static_cast<Object>(row.text[0][kLastByte] - 2);
}

// Refused by a policy that refuses it, and by its rule.
void expect_explained(const Swapped& mine, const bh_refusal& row) {
    const Object object = object_of(row);
    ASSERT_LT(object, kObjects);
    EXPECT_FALSE(Swapped::passes(row.generation, object)) << "generation " << row.generation;
    EXPECT_EQ(row.flags, 0U) << "not decided by rows";
    const policy::Statement* rule = mine.policy_of(row.generation).rule(row.rule);
    ASSERT_NE(rule, nullptr) << "rule " << row.rule << " of generation " << row.generation;
    if (row.class_id == BH_CLASS_LISTEN)
        EXPECT_EQ(rule->key->key, policy::Key::kListen);
    else if (row.generation % 2 == 1)
        EXPECT_EQ(rule->value, kAddresses.at(object));
    else
        EXPECT_EQ(rule->key->key, policy::Key::kNetworkDefault);
}

void expect_hammered(const Counts& counts) {
    for (const auto& act : counts.acts) {
        EXPECT_EQ(act.passed[kZ], 0U) << "z passed";
        EXPECT_EQ(act.otherwise, 0U);
        EXPECT_GT(act.refused[kZ], 100U);
        for (const Object object : {kX, kY}) {
            EXPECT_GT(act.passed[object], 0U);
            EXPECT_GT(act.refused[object], 0U);
        }
    }
}

// What holds now, by one process after the other.
void expect_policy(Swapped& mine, __u32 generation) {
    EXPECT_EQ(generation_of(mine), generation);
    for (const Object object : {kX, kY, kZ}) {
        const int expected = Swapped::passes(generation, object) ? 0 : EPERM;
        EXPECT_EQ(Actor::run(&mine,
                             [&] {
                                 const int reached = reach_by_connecting(object);
                                 return reached == serve(object) ? reached : EBADMSG;
                             }),
                  expected)
            << kAddresses.at(object) << " in generation " << generation;
    }
}

TEST(Policies, SwappedTwentyThousandTimes) {
    constexpr int kSwaps = 20'000;
    constexpr int kLookEach = 100;
    Swapped mine;
    mine.swap();
    const UniqueFd forbidden = server_at(InetAddress(kAddresses[kZ], kPort), SOCK_DGRAM);
    const auto counts = share_counts();
    std::vector<Ongoing> hammers;
    for (std::size_t act = 0; act < kActs.size(); ++act)
        hammers.emplace_back(&mine, [&] { return hammer(*counts, act); });
    std::size_t explained = 0;
    for (int i = 0; i < kSwaps && !HasFailure(); ++i) {
        mine.swap();
        if (i % kLookEach != 0)
            continue;
        const auto rows = loader::read_refusals(mine.label(), mine.state().refusal_count);
        ASSERT_TRUE(rows.has_value());
        for (const bh_refusal& row : *rows)
            expect_explained(mine, row);
        explained += rows->size();
    }
    counts->stop = true;
    for (Ongoing& one : hammers)
        EXPECT_EQ(one.join(), 0);
    EXPECT_GT(explained, 1000U);
    EXPECT_FALSE(arrived(forbidden)) << "z got a datagram";
    EXPECT_EQ(mine.state().internal, 0U);
    expect_hammered(*counts);
    expect_policy(mine, 2 + kSwaps);
    EXPECT_EQ(rule_rows_of(mine).others, 0U);
}

// Runs `act` in a process that does not come to its end by itself.
template <typename Act>
void kill_during(Act act, useconds_t after_us) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        act();
        ::_exit(0);
    }
    ::usleep(after_us);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST(Policies, KilledBeforeTheStoreLeaveTheOldPolicyEntire) {
    Swapped mine;
    mine.swap();
    const policy::Policy wide =
        compiled("[network]\nrefuse = [\"192.0.2.1\"]\nlisten = [\"tcp/7312\"]\n");
    kill_during(
        [&] {
            auto environments = loader::Environments::open();
            (void)environments->publish_rules(mine.label(), wide.rules, [](__u32) -> Status {
                ::pause();
                return {};
            });
        },
        300'000);
    EXPECT_GT(rule_rows_of(mine).others, 0U) << "it was killed too early";
    expect_policy(mine, 2);
    // Under the number that the killed one took: of its rows none may hold.
    mine.swap();
    EXPECT_EQ(rule_rows_of(mine).others, 0U);
    expect_policy(mine, 3);
}

TEST(Policies, KilledAnywhereLeaveOnePolicyEntire) {
    constexpr int kKills = 60;
    Swapped mine;
    mine.swap();
    std::minstd_rand random(7);
    int left_rows = 0;
    for (int i = 0; i < kKills && !HasFailure(); ++i) {
        kill_during([&] { mine.swap_for_ever(); },
                    5000 + static_cast<useconds_t>(random() % 20'000));
        left_rows += rule_rows_of(mine).others != 0 ? 1 : 0;
        expect_policy(mine, generation_of(mine));
        if (i % 3 == 0) {
            mine.swap();
            EXPECT_EQ(rule_rows_of(mine).others, 0U);
        }
    }
    EXPECT_GT(left_rows, 0) << "no publication was interrupted";
}

TEST(Policies, LeaveNoRowsBehind) {
    // Other cases write theirs by hand, for environments that are gone.
    const std::size_t before = all_rule_rows();
    RuleRows rows{};
    {
        Swapped mine;
        mine.swap();
        mine.swap();
        rows = rule_rows_of(mine);
        EXPECT_EQ(rows.current, 4U) << "the policy's, one of ranges, two of what went by rules";
        EXPECT_EQ(rows.others, 0U);
        ASSERT_TRUE(mine.publish_rules(loader::Rules{}).has_value());
        EXPECT_EQ(rule_rows_of(mine).current, 0U);
        mine.swap();
        kill_during([&] { mine.swap_for_ever(); }, 20'000);
    }
    EXPECT_EQ(all_rule_rows(), before);
}

// Another class or mode leaves the rules, and what they are called.
TEST(Policies, ChangedInOneClassKeepTheirRules) {
    Swapped mine;
    mine.swap();
    ASSERT_TRUE(mine.change({.allow = 1ULL << BH_CLASS_LISTEN}).has_value());
    EXPECT_EQ(Actor::run(&mine, [] { return serve(kZ); }), 0);
    EXPECT_EQ(Actor::run(&mine, [] { return reach_by_connecting(kZ); }), EPERM);
    ASSERT_TRUE(mine.change({.mode = BH_MODE_AUDIT}).has_value());
    EXPECT_EQ(Actor::run(&mine, [] { return reach_by_connecting(kZ); }), 0);
    ASSERT_TRUE(
        mine.change({.refuse = 1ULL << BH_CLASS_LISTEN, .mode = BH_MODE_ENFORCE}).has_value());
    expect_policy(mine, 2);
}

// A root, and a node that needs a row.
loader::PlacedTree placed_tree() {
    loader::PlacedTree tree;
    tree.nodes = {{0, "", 0, kAllRights, 0}, {0, "here", 1, kReadOnly, BH_NODE_NAMED}};
    tree.roots = {{0, 0}};
    return tree;
}

// All rows of the map belong to nobody: what must not happen is that the old policy suffers.
TEST(Policies, DoNotChangeWhenAMapIsFull) {
    Swapped mine;
    mine.swap();
    loader::Rules rules = mine.policy_of(3).rules;
    rules.nodes.resize(1);
    rules.places = placed_tree();
    for (const FullMap map : {FullMap::kPolicies, FullMap::kRoutes, FullMap::kNodes}) {
        const RuleRows before = rule_rows_of(mine);
        const Filling filling(map);
        const auto refused = mine.publish_rules(rules);
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code(), ENOSPC);
        EXPECT_NE(refused.error().message().find("fewer rules"), std::string::npos);
        expect_policy(mine, 2);
        EXPECT_EQ(rule_rows_of(mine).current, before.current);
        EXPECT_EQ(rule_rows_of(mine).others, 0U);
    }
    mine.swap();
    expect_policy(mine, 3);
}

}  // namespace
}  // namespace bulkhead::tests
