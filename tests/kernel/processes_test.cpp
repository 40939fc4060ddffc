// Processes of others: each act on a task of another environment, and on one of the host.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

FENCE_TEST(RefusesSignalsAcrossEnvironments, "bh_task_kill") {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    Actor target(&other);
    expect_refused(mine, {BH_HOOK_task_kill, BH_CLASS_SIGNAL, EPERM},
                   [&] { return outcome(::kill(target.pid(), 0)); });
    EXPECT_EQ(mine.last_refusal().object[0], static_cast<__u64>(target.pid()));
}

FENCE_TEST(RefusesSignalsToTheHost, "bh_task_kill") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    const auto terminate = [&] { return outcome(::kill(target.pid(), SIGTERM)); };
    EXPECT_EQ(Actor::run(&mine, terminate), EPERM);
    EXPECT_EQ(::waitpid(target.pid(), nullptr, WNOHANG), 0) << "the signal arrived";
    expect_refused(mine, {BH_HOOK_task_kill, BH_CLASS_SIGNAL, EPERM},
                   [&] { return outcome(::kill(target.pid(), 0)); });
}

FENCE_TEST(AllowsSignalsWithinAnEnvironment, "bh_task_alloc") {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const pid_t child = ::fork();
                             if (child == 0)
                                 ::_exit(outcome(::kill(::getppid(), 0)));
                             int status = 0;
                             ::waitpid(child, &status, 0);
                             return WEXITSTATUS(status) | outcome(::kill(::getpid(), 0));
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

FENCE_TEST(RefusesProcMemAcrossEnvironments, "bh_ptrace") {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    Actor target(&other);
    mine.allow(BH_CLASS_FILES);
    expect_refused(mine, {BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, EACCES}, [&] {
        const std::string path = "/proc/" + std::to_string(target.pid()) + "/mem";
        return opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    });
}

// From 6.16 such a file opens and is empty.
int read_some(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    char byte = 0;
    const ssize_t bytes = fd < 0 ? -1 : ::read(fd, &byte, 1);
    const int error = outcome(bytes);
    ::close(fd);
    return bytes == 0 || error == EPERM ? EACCES : error;
}

FENCE_TEST(RefusesWhatProcShowsOfOthers, "bh_ptrace") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    mine.allow(BH_CLASS_FILES);
    const std::string directory = "/proc/" + std::to_string(target.pid()) + "/";
    for (const char* file : {"environ", "maps", "auxv"})
        expect_refused(mine, {BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, EACCES},
                       [&] { return read_some(directory + file); });
}

FENCE_TEST(RefusesToResolveWhatOthersUse, "bh_ptrace") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    mine.own("/proc");
    const std::string directory = "/proc/" + std::to_string(target.pid()) + "/";
    for (const char* link : {"root", "cwd", "exe", "fd/1", "ns/mnt"})
        expect_refused(mine, {BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, EACCES}, [&] {
            std::array<char, 256> to{};
            return outcome(::readlink((directory + link).c_str(), to.data(), to.size()));
        });
}

FENCE_TEST(RefusesForeignMemoryAndDescriptors, "bh_ptrace") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, EPERM}, [&] {
        char byte = 0;
        static const char kThere = 1;
        const iovec here{&byte, 1};
        const iovec remote{const_cast<char*>(&kThere), 1};
        return outcome(::process_vm_readv(target.pid(), &here, 1, &remote, 1, 0));
    });
    // What descriptor 1 is lies with whoever runs the tests; only the tracing is asked about here.
    mine.allow(BH_CLASS_DESCRIPTORS);
    expect_refused(mine, {BH_HOOK_ptrace_access_check, BH_CLASS_TRACE, EPERM}, [&] {
        const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, target.pid(), 0));
        return opened(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, 1, 0)));
    });
}

FENCE_TEST(RefusesToBeTracedByTheHost, "bh_traceme") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_ptrace_traceme, BH_CLASS_TRACE, EPERM},
                   [] { return outcome(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); });
}

FENCE_TEST(RefusesPriorityOfOthers, "bh_setnice") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_task_setnice, BH_CLASS_PROCESS, EPERM}, [&] {
        return outcome(::setpriority(PRIO_PROCESS, static_cast<id_t>(target.pid()), 3));
    });
}

FENCE_TEST(RefusesSchedulingOfOthers, "bh_setsched") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_task_setscheduler, BH_CLASS_PROCESS, EPERM}, [&] {
        const sched_param none{};
        return outcome(::sched_setscheduler(target.pid(), SCHED_BATCH, &none));
    });
}

FENCE_TEST(RefusesIoPriorityOfOthers, "bh_setioprio") {
    constexpr int kWhoProcess = 1;
    constexpr int kBestEffort = 2 << 13 | 4;
    BareEnvironment mine("mine");
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_task_setioprio, BH_CLASS_PROCESS, EPERM}, [&] {
        return outcome(::syscall(SYS_ioprio_set, kWhoProcess, target.pid(), kBestEffort));
    });
}

FENCE_TEST(RefusesMovingMemoryOfOthers, "bh_movememory") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    mine.allow(BH_CLASS_TRACE);
    expect_refused(mine, {BH_HOOK_task_movememory, BH_CLASS_PROCESS, EPERM}, [&] {
        return outcome(::syscall(SYS_move_pages, target.pid(), 0L, nullptr, nullptr, nullptr, 0));
    });
}

FENCE_TEST(RefusesLimitsOfOthers, "bh_setrlimit") {
    BareEnvironment mine("mine");
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_task_setrlimit, BH_CLASS_PROCESS, EPERM}, [&] {
        const rlimit files{512, 512};
        return outcome(::prlimit(target.pid(), RLIMIT_NOFILE, &files, nullptr));
    });
}

FENCE_TEST(RefusesReadingLimitsOfUsersOutside, "bh_prlimit") {
    BareEnvironment mine("mine");
    bh_environment record = mine.record();
    record.uid_base = 100000;
    record.uid_count = 65536;
    mine.publish(record);
    Actor target(nullptr);
    expect_refused(mine, {BH_HOOK_task_prlimit, BH_CLASS_PROCESS, EPERM}, [&] {
        rlimit files{};
        return outcome(::prlimit(target.pid(), RLIMIT_NOFILE, nullptr, &files));
    });
}

}  // namespace
}  // namespace bulkhead::tests
