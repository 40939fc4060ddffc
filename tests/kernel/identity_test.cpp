// The label: inherited by all that is created, never shaken off, and useless once withdrawn.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <thread>

#include "loader/pins.h"
#include "loader/programs.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

// Runs `act` in a child and returns what it returns.
template <typename Act>
int in_child(Act act) {
    const pid_t child = ::fork();
    if (child < 0)
        return errno;
    if (child == 0)
        ::_exit(act());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

FENCE_TEST(LabelsChildrenGrandchildrenAndThreads, "bh_task_alloc") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    const auto signal_host = [&] { return outcome(::kill(target.pid(), 0)); };
    EXPECT_EQ(Actor::run(&mine, [&] { return in_child(signal_host); }), EPERM);
    EXPECT_EQ(Actor::run(&mine, [&] { return in_child([&] { return in_child(signal_host); }); }),
              EPERM);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             int error = 0;
                             std::thread([&] { error = signal_host(); }).join();
                             return error;
                         }),
              EPERM);
    EXPECT_EQ(mine.state().counts.forks, 4U);
}

FENCE_TEST(KeepsTheLabelThroughNamespacesAndCgroups, "bh_task_alloc") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    mine.allow(BH_CLASS_CAPABILITIES);
    mine.allow(BH_CLASS_USER_NAMESPACES);
    mine.allow(BH_CLASS_FILES);
    mine.allow(BH_CLASS_CGROUPS);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             std::ofstream("/sys/fs/cgroup/cgroup.procs") << ::getpid();
                             if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
                                 return errno;
                             return in_child([&] { return outcome(::kill(target.pid(), 0)); });
                         }),
              EPERM);
    EXPECT_EQ(mine.state().refused[BH_CLASS_SIGNAL], 1U);
}

FENCE_TEST(RefusesProgramsOutsideItsCgroup, "bh_exec") {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    mine.allow(BH_CLASS_CGROUPS);
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, {BH_HOOK_bprm_check_security, BH_CLASS_IDENTITY, EPERM}, [] {
        std::ofstream("/sys/fs/cgroup/cgroup.procs") << ::getpid();
        return outcome(::execl("/bin/true", "true", nullptr));
    });
}

FENCE_TEST(KeepsTheStatusOfTheFirstProcess, "bh_exit") {
    BareEnvironment mine("mine");
    {
        Actor first(&mine);
        bh_environment record = mine.record();
        record.init_pid = static_cast<__u32>(first.pid());
        mine.publish(record);
        EXPECT_EQ(mine.state().exited_ns, 0U);
    }
    EXPECT_NE(mine.state().exited_ns, 0U);
    EXPECT_TRUE(WIFSIGNALED(mine.state().exit_status));
}

TEST(Fence, RefusesEverythingOnceWithdrawn) {
    const auto meta = loader::map_pinned_array<bh_meta>(
        "bh_meta", 1, loader::MappedArray<bh_meta>::Access::kRead);
    ASSERT_TRUE(meta.has_value());
    Tmpfs own;
    own.write("file");
    BareEnvironment mine("mine");
    mine.own(own.path());
    mine.withdraw();
    const __u64 before = (*meta)[0].orphaned;
    EXPECT_EQ(Actor::run(&mine, [&] { return opened(::open(own.at("file").c_str(), O_RDONLY)); }),
              EPERM);
    EXPECT_EQ(Actor::run(&mine, [] { return opened(::socket(AF_INET, SOCK_STREAM, 0)); }), EPERM);
    EXPECT_EQ(Actor::run(&mine, [] { return in_child([] { return 0; }); }), ENOMEM);
    EXPECT_EQ(Actor::run(&mine, [] { return outcome(::execl("/bin/true", "true", nullptr)); }),
              EPERM);
    EXPECT_GE((*meta)[0].orphaned, before + 3);
}

TEST(Load, ASecondTimeIsANoOp) {
    const auto again = loader::load();
    ASSERT_TRUE(again.has_value()) << again.error().message();
    EXPECT_EQ(*again, loader::LoadOutcome::kAlreadyLoaded);
}

TEST(Load, RefusesPinsOfAnotherWireVersion) {
    const auto meta = loader::map_pinned_array<bh_meta>(
        "bh_meta", 1, loader::MappedArray<bh_meta>::Access::kWrite);
    ASSERT_TRUE(meta.has_value());
    (*meta)[0].wire_version = BH_WIRE_VERSION + 1;
    const auto refused = loader::load();
    (*meta)[0].wire_version = BH_WIRE_VERSION;
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message().find("wire version"), std::string::npos);
}

TEST(Load, EveryProgramHasAProof) {
    for (const std::string& program : loader::program_names())
        EXPECT_FALSE(cases_for(program).empty()) << "no case proves " << program;
}

}  // namespace
}  // namespace bulkhead::tests
