// Signals to processes of the host: sent, queued, and had sent by the kernel.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "signals";
constexpr const char* kPidLock = "PID namespace";

// A process of the host; a dead one is replaced on request.
class Victim {
public:
    Victim() { actor_.emplace(nullptr); }
    [[nodiscard]] pid_t pid() const { return actor_->pid(); }
    [[nodiscard]] bool is_dead() const {
        siginfo_t info{};
        for (int i = 0; i < 20; ++i) {
            if (::waitid(P_PID, static_cast<id_t>(pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
                    0 &&
                info.si_pid != 0)
                return true;
            ::usleep(1'000);
        }
        return false;
    }
    void replace() { actor_.emplace(nullptr); }

private:
    std::optional<Actor> actor_;
};

// `act` would kill the victim.
void expect_alive(const Technique& technique, const std::function<int(pid_t)>& act,
                  const std::string& object = "") {
    Victim victim;
    expect_stopped(technique, {.act = [&] { return act(victim.pid()); },
                               .object = object,
                               .effect = [&] { return victim.is_dead(); },
                               .undo = [&] { victim.replace(); }});
}

ESCAPE(Kill, kGroup, "kill", kPidLock, {{BH_HOOK_task_kill, BH_CLASS_SIGNAL}}) {
    expect_alive(
        technique, [](pid_t pid) { return outcome(::kill(pid, SIGKILL)); }, "of the host");
}

ESCAPE(KillByPidfd, kGroup, "pidfd_send_signal", kPidLock, {{BH_HOOK_task_kill, BH_CLASS_SIGNAL}}) {
    expect_alive(
        technique,
        [](pid_t pid) {
            const long pidfd = ::syscall(SYS_pidfd_open, pid, 0);
            return outcome(::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0));
        },
        "of the host");
}

ESCAPE(KillByThread, kGroup, "tgkill and rt_sigqueueinfo", kPidLock,
       {{BH_HOOK_task_kill, BH_CLASS_SIGNAL}}) {
    expect_alive(
        technique,
        [](pid_t pid) {
            siginfo_t info{};
            info.si_code = SI_QUEUE;
            const int queued = outcome(::syscall(SYS_rt_sigqueueinfo, pid, SIGTERM, &info));
            const int sent = outcome(::syscall(SYS_tgkill, pid, pid, SIGKILL));
            return queued != 0 ? queued : sent;
        },
        "of the host");
}

// Makes the kernel send SIGKILL about a pair of sockets to whom `own` names.
int signal_about_sockets(const std::function<long(int)>& own) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0 ||
        ::fcntl(ends[0], F_SETSIG, SIGKILL) != 0)
        return errno;
    const int named = outcome(own(ends[0]));
    if (::fcntl(ends[0], F_SETFL, O_ASYNC) != 0 || ::write(ends[1], "x", 1) != 1)
        return errno;
    return named;
}

PROVES(Escape, SignalOwner, "bh_fcntl");
ESCAPE(SignalOwner, kGroup, "F_SETOWN and F_SETSIG: SIGKILL sent by the kernel", kPidLock,
       {{BH_HOOK_file_fcntl, BH_CLASS_SIGNAL}}) {
    expect_alive(technique, [](pid_t pid) {
        return signal_about_sockets([pid](int fd) { return ::fcntl(fd, F_SETOWN, pid); });
    });
}

ESCAPE(SignalOwnerByPointer, kGroup, "F_SETOWN_EX, whose process lies in memory", kPidLock,
       {{BH_HOOK_file_fcntl, BH_CLASS_SIGNAL}}) {
    expect_alive(technique, [](pid_t pid) {
        f_owner_ex owner{F_OWNER_PID, pid};
        return signal_about_sockets([&](int fd) { return ::fcntl(fd, F_SETOWN_EX, &owner); });
    });
}

PROVES(Escape, SignalOwnerByIoctl, "bh_ioctl");
ESCAPE(SignalOwnerByIoctl, kGroup, "SIOCSPGRP and FIOSETOWN: the same by ioctl", kPidLock,
       {{BH_HOOK_file_ioctl, BH_CLASS_SIGNAL}}) {
    expect_alive(technique, [](pid_t pid) {
        return signal_about_sockets([&](int fd) { return ::ioctl(fd, SIOCSPGRP, &pid); });
    });
}

TEST(Escape, LeavesSignalsAboutOnesOwnDescriptorsAlone) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             std::array<int, 2> ends{};
                             return outcome(::pipe(ends.data())) |
                                    outcome(::fcntl(ends[0], F_SETOWN, ::getpid())) |
                                    outcome(::fcntl(ends[0], F_SETOWN, 0));
                         }),
              0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
