#include "runtime/supervise.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "loader/unique_fd.h"
#include "runtime/terminal.h"

namespace bulkhead::runtime {
namespace {

constexpr int kPassedOn[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

Result<int> reap(int pidfd) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0)
        return fail_errno("wait for the environment's first process");
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void handle_signal(int signals, int pidfd, int terminal) {
    signalfd_siginfo received{};
    if (::read(signals, &received, sizeof received) != sizeof received)
        return;
    const auto signal = static_cast<int>(received.ssi_signo);
    if (signal == SIGWINCH && terminal >= 0)
        copy_window_size(terminal);
    else
        ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

// One round of waiting and moving; true when the process has ended.
class Loop {
public:
    Loop(int pidfd, int terminal, int signals) {
        polled_[0] = {pidfd, POLLIN, 0};
        polled_[1] = {signals, POLLIN, 0};
        polled_[2] = {terminal, POLLIN, 0};
        polled_[3] = {terminal >= 0 ? STDIN_FILENO : -1, POLLIN, 0};
    }

    Result<bool> round() {
        if (::poll(polled_, std::size(polled_), -1) < 0)
            return errno == EINTR ? Result<bool>(false) : fail_errno("wait for events");
        if (polled_[1].revents != 0)
            handle_signal(polled_[1].fd, polled_[0].fd, polled_[2].fd);
        if (polled_[2].revents != 0 && pump(polled_[2].fd, STDOUT_FILENO) == Flow::kClosed)
            polled_[2].fd = -1;
        if (polled_[3].revents != 0 && pump(STDIN_FILENO, terminal()) == Flow::kClosed)
            polled_[3].fd = -1;
        return polled_[0].revents != 0;
    }

    // What the payload wrote last.
    void drain() {
        while (polled_[2].fd >= 0) {
            pollfd rest{polled_[2].fd, POLLIN, 0};
            if (::poll(&rest, 1, 0) <= 0 || pump(rest.fd, STDOUT_FILENO) == Flow::kClosed)
                return;
        }
    }

private:
    [[nodiscard]] int terminal() const { return polled_[2].fd; }

    pollfd polled_[4]{};
};

}  // namespace

BlockedSignals::BlockedSignals() {
    ::sigemptyset(&blocked_);
    for (const int signal : kPassedOn)
        ::sigaddset(&blocked_, signal);
    ::sigprocmask(SIG_BLOCK, &blocked_, &before_);
}

BlockedSignals::~BlockedSignals() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Result<int> supervise(int pidfd, int terminal, const BlockedSignals& signals) {
    const UniqueFd received(::signalfd(-1, &signals.blocked(), SFD_CLOEXEC));
    if (!received)
        return fail_errno("receive signals");
    std::optional<RawTerminal> raw;
    if (terminal >= 0) {
        raw.emplace();
        copy_window_size(terminal);
    }
    Loop loop(pidfd, terminal, received.get());
    while (true) {
        BULKHEAD_TRY_VALUE(ended, loop.round());
        if (ended)
            break;
    }
    loop.drain();
    return reap(pidfd);
}

}  // namespace bulkhead::runtime
