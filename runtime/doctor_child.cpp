#include "runtime/doctor_child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace bulkhead::runtime {
namespace {

// The first host id of the trial's namespace: any range outside the machine's own users serves.
constexpr const char* kIdMap = "0 1879048192 65536\n";

struct Report {
    int code;
    char what[252];
};

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno("make a pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

[[noreturn]] void run_child(Pipe& go, Pipe& report, const std::function<Status()>& act) {
    go.write.reset();
    report.read.reset();
    char ignored = 0;
    (void)!::read(go.read.get(), &ignored, 1);
    if (const Status done = act(); !done) {
        Report failed{};
        failed.code = done.error().code();
        std::strncpy(failed.what, done.error().what().c_str(), sizeof failed.what - 1);
        (void)!::write(report.write.get(), &failed, sizeof failed);
    }
    ::_exit(0);
}

Status write_map(pid_t pid, const char* file) {
    const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
    const UniqueFd map(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!map || ::write(map.get(), kIdMap, std::strlen(kIdMap)) < 0)
        return fail_errno(std::string("write ") + file);
    return {};
}

}  // namespace

Result<Child> Child::start(std::uint64_t flags, int cgroup, const std::function<Status()>& act) {
    BULKHEAD_TRY_VALUE(go, make_pipe());
    BULKHEAD_TRY_VALUE(report, make_pipe());
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup < 0 ? 0 : cgroup);
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0)
        return fail_errno("clone3");
    if (pid == 0)
        run_child(go, report, act);
    return Child(static_cast<pid_t>(pid), UniqueFd(pidfd), std::move(go.write),
                 std::move(report.read));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      go_(std::move(other.go_)),
      report_(std::move(other.report_)) {}

Child::~Child() {
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

Status Child::finish() {
    go_.reset();
    Report failed{};
    const ssize_t got = ::read(report_.get(), &failed, sizeof failed);
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0)
        return fail_errno("wait for a pidfd");
    pid_ = -1;
    if (got == sizeof failed)
        return fail(Error(failed.code, failed.what));
    if (info.si_code != CLD_EXITED)
        return fail(Error(0, "the trial's process was killed"));
    return {};
}

Status try_in_child(std::uint64_t flags, const std::function<Status()>& act) {
    BULKHEAD_TRY_VALUE(child, Child::start(flags, -1, act));
    return child.finish();
}

Result<UniqueFd> make_user_namespace() {
    BULKHEAD_TRY_VALUE(child, Child::start(CLONE_NEWUSER, -1, [] { return Status{}; }));
    BULKHEAD_TRY(write_map(child.pid(), "uid_map"));
    BULKHEAD_TRY(write_map(child.pid(), "gid_map"));
    const std::string path = "/proc/" + std::to_string(child.pid()) + "/ns/user";
    UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space)
        return fail_errno("open " + path);
    BULKHEAD_TRY(child.finish());
    return space;
}

}  // namespace bulkhead::runtime
