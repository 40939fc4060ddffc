#include "runtime/join.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "runtime/execs.h"
#include "runtime/life.h"
#include "runtime/payload.h"

namespace bulkhead::runtime {
namespace {

constexpr int kExitOurs = 125;
constexpr int kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS |
                            CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME;

// Sends a descriptor over the channel's socket, before the label is on: afterwards the fence
// would look at it.
bool send_descriptor(int socket, int fd) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

UniqueFd receive_descriptor(int socket) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
        return {};
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS)
        return {};
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return UniqueFd(fd);
}

[[noreturn]] void give_up(const Channel& channel, Step step) {
    Report report;
    report.step = step;
    report.error = errno;
    channel.send(report);
    ::_exit(kExitOurs);
}

// A new terminal of the environment's own devpts; the master goes to the starter.
void open_terminal(const Channel& channel) {
    const UniqueFd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    int number = -1;
    int unlocked = 0;
    if (!master || ::ioctl(master.get(), TIOCGPTN, &number) != 0 ||
        ::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0)
        give_up(channel, Step::kTerminal);
    char path[32];
    std::snprintf(path, sizeof path, "/dev/pts/%d", number);
    if (!send_descriptor(channel.fd(), master.get()) || !install_terminal(path))
        give_up(channel, Step::kTerminal);
}

[[noreturn]] void run_joining_child(int init, const ProcessSpec& process,
                                    std::uint64_t capabilities, const std::string& hostname,
                                    const Channel& channel, const Stdio& stdio) {
    if (::setns(init, kNamespaces) != 0)
        give_up(channel, Step::kJoinNamespaces);
    if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
        give_up(channel, Step::kBecomeRoot);
    ::setsid();
    if (process.terminal == TerminalKind::kTerminal)
        open_terminal(channel);
    install_stdio(stdio, channel.fd());
    if (!drop_bounding_set(capabilities))
        give_up(channel, Step::kCapabilities);
    channel.send(Report{});
    if (!channel.wait_go())
        ::_exit(kExitOurs);
    const Report failed = become_payload(process, capabilities, hostname);
    channel.send(failed);
    ::_exit(exit_code_of(failed));
}

class Joiner {
public:
    Joiner(const std::string& name, const ProcessSpec& process, const Stdio& stdio,
           const std::string& receipt_path)
        : name_(name), process_(process), stdio_(stdio), receipt_path_(receipt_path) {}
    Joiner(const Joiner&) = delete;
    Joiner& operator=(const Joiner&) = delete;

    ~Joiner() {
        if (!undo_ || !pidfd_)
            return;
        ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
        siginfo_t info{};
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
        if (exec_ != 0)
            forget_exec(name_, exec_);
    }

    // The process of the record must carry the record's label: pids are used again.
    Status find() {
        auto environments = open_loaded();
        if (!environments)
            return fail(std::move(environments).error());
        environments_.emplace(std::move(*environments));
        BULKHEAD_TRY_VALUE(label, find_environment(*environments_, name_));
        label_ = label;
        const bh_environment* record = environments_->record(label);
        if (record != nullptr && (record->flags & BH_ENV_ADOPTED) != 0)
            return fail(
                Error(0, name_ + " was adopted: who runs it starts its processes", Fault::kUsage)
                    .advise("what is started in its cgroup is fenced like the rest"));
        if (record == nullptr || record->init_pid == 0)
            return not_running();
        init_pid_ = static_cast<pid_t>(record->init_pid);
        init_.reset(static_cast<int>(::syscall(SYS_pidfd_open, init_pid_, 0)));
        if (!init_)
            return not_running();
        BULKHEAD_TRY_VALUE(owner, environments_->label_of(init_.get()));
        if (!owner || owner->serial != label.serial)
            return not_running();
        return {};
    }

    Status clone() {
        BULKHEAD_TRY_VALUE(cgroup, Cgroup::open_of(init_pid_));
        BULKHEAD_TRY(refuse_frozen(cgroup));
        const std::uint64_t capabilities = capabilities_of(init_pid_);
        auto channels = Channel::make();
        if (!channels)
            return fail(std::move(channels).error());
        // Children of this process are born in that PID namespace; it stays where it is.
        if (::setns(init_.get(), CLONE_NEWPID) != 0)
            return fail_errno("enter the PID namespace of " + name_);
        int pidfd = -1;
        clone_args arguments{};
        arguments.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
        arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
        arguments.cgroup = static_cast<std::uint64_t>(cgroup.fd());
        arguments.exit_signal = SIGCHLD;
        const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
        if (pid == 0) {
            channels->first = Channel(UniqueFd());
            run_joining_child(init_.get(), process_, capabilities, name_, channels->second, stdio_);
        }
        if (pid < 0)
            return fail_errno("make a process in " + name_);
        pidfd_.reset(pidfd);
        pid_ = pid;
        undo_ = true;
        channel_.emplace(std::move(channels->first));
        return {};
    }

    Status label() {
        if (process_.terminal == TerminalKind::kTerminal)
            terminal_ = receive_descriptor(channel_->fd());
        BULKHEAD_TRY_VALUE(report, channel_->receive());
        if (!report || report->step != Step::kReady)
            return explain(report);
        if (const bh_environment* record = environments_->record(label_))
            give_pipes(stdio_, record->uid_base);
        for (const bh_inode& inode : inodes_of(stdio_))
            BULKHEAD_TRY(environments_->grant(label_, inode));
        BULKHEAD_TRY(
            environments_->label_task(pidfd_.get(), label_, loader::Environments::TaskOf::kExec));
        BULKHEAD_TRY_VALUE(exec, begin_exec({.environment = name_,
                                             .label = label_,
                                             .command = process_.argv.front(),
                                             .receipt_path = receipt_path_,
                                             .pidfd = pidfd_.get(),
                                             .pid = pid_}));
        exec_ = exec;
        return {};
    }

    Status execute() {
        BULKHEAD_TRY(channel_->go());
        BULKHEAD_TRY_VALUE(report, channel_->receive());
        if (report)
            return explain(report);
        undo_ = false;
        return {};
    }

    Joined finish() { return {exec_, std::move(pidfd_), std::move(terminal_)}; }
    [[nodiscard]] int exit_code() const { return exit_code_; }

private:
    // What is made in a frozen cgroup stands still there before it can say anything.
    [[nodiscard]] Status refuse_frozen(const Cgroup& cgroup) const {
        BULKHEAD_TRY_VALUE(whole, Cgroup::open(name_));
        if (const auto frozen = whole.read("cgroup.freeze"); frozen && *frozen == "1\n")
            return fail(Error(EAGAIN, name_ + " is paused")
                            .advise("bulkhead budget " + name_ + " says by what and until when"));
        BULKHEAD_TRY_VALUE(events, cgroup.read("cgroup.events"));
        if (events.find("frozen 1") != std::string::npos)
            return fail(Error(EAGAIN, name_ + " has frozen the cgroup of its first process")
                            .advise("bulkhead stop " + name_ + " ends it all the same"));
        return {};
    }

    [[nodiscard]] Status not_running() const {
        return fail(Error(ESRCH, name_ + " is not running")
                        .advise("bulkhead status " + name_ + " tells how it ended"));
    }

    Status explain(const std::optional<Report>& report) {
        if (!report)
            return fail(Error(0, "the new process was killed while it started"));
        exit_code_ = exit_code_of(*report);
        if (report->step == Step::kNotFound || report->step == Step::kExecute)
            return fail(Error(report->error, process_.argv.front()));
        return fail(Error(report->error, step_name(report->step)));
    }

    const std::string& name_;
    const ProcessSpec& process_;
    const Stdio& stdio_;
    const std::string& receipt_path_;
    std::optional<loader::Environments> environments_;
    std::optional<Channel> channel_;
    bh_label label_{};
    pid_t init_pid_ = 0;
    UniqueFd init_;
    UniqueFd pidfd_;
    pid_t pid_ = 0;
    std::uint64_t exec_ = 0;
    UniqueFd terminal_;
    int exit_code_ = kExitOurs;
    bool undo_ = false;
};

Status run_steps(Joiner& joiner) {
    BULKHEAD_TRY(joiner.find());
    BULKHEAD_TRY(joiner.clone());
    BULKHEAD_TRY(joiner.label());
    return joiner.execute();
}

}  // namespace

tl::expected<Joined, StartFailure> join(const std::string& name, const ProcessSpec& process,
                                        const Stdio& stdio, const std::string& receipt_path) {
    Joiner joiner(name, process, stdio, receipt_path);
    if (auto done = run_steps(joiner); !done)
        return tl::unexpected(StartFailure{std::move(done).error(), joiner.exit_code()});
    return joiner.finish();
}

}  // namespace bulkhead::runtime
