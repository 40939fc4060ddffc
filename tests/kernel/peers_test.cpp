// [ipc]: acts between two environments, which pass while both policies name the other.
#include <signal.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#include "runtime/policy/policy.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

// `key` of [ipc] with one name, or no policy at all.
loader::Rules naming(const std::string& key, const std::string& name) {
    const std::string text = "[ipc]\n" + key + " = [\"" + name + "\"]\n";
    auto policy = policy::compile({{"test.toml", text}});
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return policy ? std::move(policy->rules) : loader::Rules{};
}

void say(BareEnvironment& environment, const loader::Rules& rules) {
    const auto published = environment.publish_rules(rules);
    EXPECT_TRUE(published.has_value()) << published.error().message();
}

// An act of `mine` on what is `other`'s.
struct Meeting {
    const char* key;
    Expected expected;
    std::function<int()> act;
};

class Peers : public testing::Test {
protected:
    void expect_refused_now(const Meeting& meeting, const char* when) {
        const __u64 before = mine.state().refused[meeting.expected.class_id];
        EXPECT_EQ(Actor::run(&mine, meeting.act), meeting.expected.error) << when;
        EXPECT_GT(mine.state().refused[meeting.expected.class_id], before) << when;
        const bh_refusal row = mine.last_refusal_by(meeting.expected.hook);
        EXPECT_EQ(row.class_id, meeting.expected.class_id) << when;
        EXPECT_EQ(row.error, -EPERM) << when;
        EXPECT_EQ(row.flags, 0U) << when;
        EXPECT_EQ(row.generation, generation_of(mine)) << when;
        EXPECT_EQ(row.object[2], other.label().slot) << when;
        EXPECT_EQ(row.object[3], other.label().serial) << when;
    }

    void expect_passes_now(const Meeting& meeting, const char* when) {
        const __u64 before = mine.state().refusal_count;
        EXPECT_EQ(Actor::run(&mine, meeting.act), 0) << when;
        EXPECT_EQ(mine.state().refusal_count, before) << when;
    }

    void expect_by_consent(const Meeting& meeting) {
        const loader::Rules to_other = naming(meeting.key, "other");
        const loader::Rules to_mine = naming(meeting.key, "mine");
        expect_refused_now(meeting, "no policy names the other");
        say(mine, to_other);
        expect_refused_now(meeting, "only the policy of who acts");
        say(mine, {});
        say(other, to_mine);
        expect_refused_now(meeting, "only the policy of whose it is");
        say(mine, to_other);
        expect_passes_now(meeting, "both");
        say(mine, naming(meeting.key, "others"));
        expect_refused_now(meeting, "who acts names somebody else");
        say(mine, to_other);
        expect_passes_now(meeting, "both again");
        say(other, {});
        expect_refused_now(meeting, "whose it is has withdrawn");
        for (const char* key : {"signal", "connect", "share_memory"}) {
            say(mine, naming(key, "other"));
            say(other, naming(key, "mine"));
            if (std::string(key) == meeting.key)
                expect_passes_now(meeting, key);
            else
                expect_refused_now(meeting, key);
        }
        say(mine, {});
        mine.allow(meeting.expected.class_id);
        expect_passes_now(meeting, "the control");
        mine.refuse(meeting.expected.class_id);
    }

    BareEnvironment mine{"mine"};
    BareEnvironment other{"other"};
};

#define PEERS_TEST(name, ...)         \
    PROVES(Peers, name, __VA_ARGS__); \
    TEST_F(Peers, name)

PEERS_TEST(Signal, "bh_task_kill") {
    const Actor target(&other);
    expect_by_consent({"signal", {BH_HOOK_task_kill, BH_CLASS_SIGNAL, EPERM}, [&] {
                           return outcome(::kill(target.pid(), 0));
                       }});
    say(mine, naming("signal", "other"));
    say(other, naming("signal", "mine"));
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(::kill(target.pid(), SIGTERM)); }), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(target.pid(), &status, 0), target.pid());
    EXPECT_EQ(WTERMSIG(status), SIGTERM) << "it did not arrive";
}

struct Address {
    sockaddr_un name{};
    socklen_t bytes = sizeof(sockaddr_un);
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Address at_path(const std::string& path) {
    Address address;
    address.name.sun_family = AF_UNIX;
    std::strcpy(address.name.sun_path, path.c_str());
    return address;
}

Address abstract(const std::string& name) {
    Address address = at_path("");
    std::strcpy(address.name.sun_path + 1, name.c_str());
    address.bytes = static_cast<socklen_t>(sizeof(sa_family_t) + 1 + name.size());
    return address;
}

void serve(int type, const Address& address) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (::bind(fd, address.get(), address.bytes) != 0)
        ::_exit(errno);
    if (type == SOCK_STREAM && ::listen(fd, 64) != 0)
        ::_exit(errno);
}

int reach(int type, const Address& address) {
    const UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    return outcome(::connect(fd.get(), address.get(), address.bytes));
}

PEERS_TEST(ConnectByPath, "bh_unix_connect") {
    const Tmpfs place;
    mine.own(place.path());
    other.own(place.path());
    const Address address = at_path(place.at("socket"));
    const Actor server(&other, [&] { serve(SOCK_STREAM, address); });
    expect_by_consent({"connect", {BH_HOOK_unix_stream_connect, BH_CLASS_UNIX, EPERM}, [&] {
                           return reach(SOCK_STREAM, address);
                       }});
}

PEERS_TEST(ConnectByAbstractName, "bh_unix_connect") {
    const Address address = abstract("bulkhead-peers");
    const Actor server(&other, [&] { serve(SOCK_STREAM, address); });
    expect_by_consent({"connect", {BH_HOOK_unix_stream_connect, BH_CLASS_UNIX, EPERM}, [&] {
                           return reach(SOCK_STREAM, address);
                       }});
}

PEERS_TEST(SendDatagrams, "bh_unix_send") {
    const Address address = abstract("bulkhead-peers-datagrams");
    const Actor server(&other, [&] { serve(SOCK_DGRAM, address); });
    expect_by_consent({"connect", {BH_HOOK_unix_may_send, BH_CLASS_UNIX, EPERM}, [&] {
                           const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                           const auto sent = ::sendto(fd.get(), "x", 1, MSG_DONTWAIT, address.get(),
                                                      address.bytes);
                           // A queue that is full was reached.
                           return sent == 1 || errno == EAGAIN ? 0 : errno;
                       }});
}

// What is made in an environment and used from elsewhere: its id, by memory that both see.
class Made {
public:
    Made(BareEnvironment* owner, const std::function<int()>& make)
        : id_(static_cast<int*>(::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
          maker_(owner, [&] { *id_ = make(); }) {
        EXPECT_GE(*id_, 0);
    }
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made() { ::munmap(id_, sizeof *id_); }

    [[nodiscard]] int id() const { return *id_; }

private:
    int* id_;
    Actor maker_;
};

constexpr int kMode = 0666;

PEERS_TEST(ShareMemory, "bh_ipc_perm") {
    const Made segment(&other, [] { return ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | kMode); });
    expect_by_consent({"share_memory", {BH_HOOK_ipc_permission, BH_CLASS_IPC, EACCES}, [&] {
                           void* at = ::shmat(segment.id(), nullptr, 0);
                           if (at == MAP_FAILED)  // (void *)-1, as shmat(2) has it
                               return errno;
                           *static_cast<int*>(at) = 1;
                           return outcome(::shmdt(at));
                       }});
    say(mine, naming("share_memory", "other"));
    say(other, naming("share_memory", "mine"));
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(::shmctl(segment.id(), IPC_RMID, nullptr)); }),
              EPERM)
        << "to use it is not to remove it";
    EXPECT_EQ(mine.last_refusal().hook, BH_HOOK_shm_shmctl);
    EXPECT_EQ(::shmctl(segment.id(), IPC_RMID, nullptr), 0) << "it is still there";
}

PEERS_TEST(ShareSemaphores, "bh_sem_alloc") {
    const Made set(&other, [] { return ::semget(IPC_PRIVATE, 1, IPC_CREAT | kMode); });
    expect_by_consent({"share_memory", {BH_HOOK_ipc_permission, BH_CLASS_IPC, EACCES}, [&] {
                           return outcome(::semctl(set.id(), 0, SETVAL, 1));
                       }});
    ::semctl(set.id(), 0, IPC_RMID);
}

TEST(PeersByName, TakeEffectWhenTheOtherStartsAndEndWithIt) {
    const auto signal = [](const Actor& target) { return outcome(::kill(target.pid(), 0)); };
    BareEnvironment mine("mine");
    say(mine, naming("signal", "later"));
    {
        BareEnvironment later("later");
        say(later, naming("signal", "mine"));
        const Actor target(&later);
        EXPECT_EQ(Actor::run(&mine, [&] { return signal(target); }), 0);
        BareEnvironment longer("later2");
        say(longer, naming("signal", "mine"));
        const Actor namesake(&longer);
        EXPECT_EQ(Actor::run(&mine, [&] { return signal(namesake); }), EPERM);
    }
    BareEnvironment again("later");
    const Actor target(&again);
    EXPECT_EQ(Actor::run(&mine, [&] { return signal(target); }), EPERM)
        << "what the last one of this name said holds for no later one";
}

TEST(PeersByName, LeaveNoRowsBehind) {
    const std::size_t before = all_rule_rows();
    {
        BareEnvironment mine("mine");
        say(mine, naming("signal", "a"));
        say(mine, naming("connect", "b"));
        EXPECT_EQ(rule_rows_of(mine).current, 3U) << "the policy's, the first, the name's";
        EXPECT_EQ(rule_rows_of(mine).others, 0U);
        say(mine, {});
        EXPECT_EQ(rule_rows_of(mine).current, 0U);
        say(mine, naming("signal", "a"));
    }
    EXPECT_EQ(all_rule_rows(), before);
}

struct Tally {
    std::atomic<bool> stop;
    std::atomic<__u64> passed;
    std::atomic<__u64> refused;
    std::atomic<__u64> otherwise;
};

int hammer(Tally& tally, pid_t target) {
    ::alarm(600);
    while (!tally.stop) {
        if (::kill(target, 0) == 0)
            ++tally.passed;
        else
            ++(errno == EPERM ? tally.refused : tally.otherwise);
    }
    return 0;
}

// Each says yes only after the other has said no: at no time do both.
TEST_F(Peers, ConsentAtOneTimeOrNotAtAll) {
    constexpr int kSwaps = 2000;
    const loader::Rules yes_of_mine = naming("signal", "other");
    const loader::Rules yes_of_other = naming("signal", "mine");
    const Actor target(&other);
    void* memory =
        ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    auto& tally = *new (memory) Tally{};
    Ongoing acting(&mine, [&] { return hammer(tally, target.pid()); });
    for (int i = 0; i < kSwaps && !HasFailure(); ++i) {
        say(mine, yes_of_mine);
        say(mine, {});
        say(other, yes_of_other);
        say(other, {});
    }
    EXPECT_EQ(tally.passed, 0U);
    EXPECT_GT(tally.refused, 100U);
    say(mine, yes_of_mine);
    say(other, yes_of_other);
    const __u64 before = tally.passed;
    while (tally.passed == before && !tally.stop)
        ::usleep(1000);
    tally.stop = true;
    EXPECT_EQ(acting.join(), 0);
    EXPECT_EQ(tally.otherwise, 0U);
    ::munmap(memory, sizeof(Tally));
}

}  // namespace
}  // namespace bulkhead::tests
