// Into a process of the host that shows itself: its memory, its descriptors, what it uses.
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "processes of others";
constexpr const char* kPidLock = "PID namespace; user namespace";
constexpr const char* kProcLock = "PID namespace: its own procfs shows its own processes";

int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

// A process of the host, what an attack on it is named by, and a page in which it would show.
class Victim {
public:
    Victim()
        : page_(static_cast<int*>(
              ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
          actor_(nullptr) {}
    Victim(const Victim&) = delete;
    Victim& operator=(const Victim&) = delete;
    ~Victim() { ::munmap(page_, 4096); }

    [[nodiscard]] pid_t pid() const { return actor_.pid(); }
    [[nodiscard]] std::string object() const { return "pid " + std::to_string(pid()) + " "; }
    [[nodiscard]] std::string proc(const std::string& file) const {
        return "/proc/" + std::to_string(pid()) + "/" + file;
    }
    // At the same address in the victim, which was forked from here.
    [[nodiscard]] int* page() const { return page_; }
    [[nodiscard]] bool was_written() const { return *page_ != 0; }
    void clean() const { *page_ = 0; }

private:
    int* page_;
    Actor actor_;
};

void expect_untraced(const Technique& technique, const Victim& victim,
                     const std::function<int()>& act, int error = EPERM) {
    expect_stopped(technique, {.act = act, .error = error, .object = victim.object()});
}

int trace_and_release(int request, pid_t pid) {
    if (::ptrace(static_cast<__ptrace_request>(request), pid, nullptr, nullptr) != 0)
        return errno;
    if (request == PTRACE_SEIZE)
        ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
    ::waitpid(pid, nullptr, __WALL);
    return outcome(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr));
}

ESCAPE(PtraceAttach, kGroup, "PTRACE_ATTACH", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim,
                    [&] { return trace_and_release(PTRACE_ATTACH, victim.pid()); });
}

ESCAPE(PtraceSeize, kGroup, "PTRACE_SEIZE", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim,
                    [&] { return trace_and_release(PTRACE_SEIZE, victim.pid()); });
}

ESCAPE(PtraceTraceme, kGroup, "PTRACE_TRACEME: a host process as tracer", kPidLock,
       {{BH_HOOK_ptrace_traceme, BH_CLASS_TRACE}}) {
    const Attack attack{
        .act = [] { return outcome(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); },
        .object = "pid " + std::to_string(::getpid()) + " "};
    expect_stopped(technique, attack);
}

ESCAPE(ProcessVmWrite, kGroup, "process_vm_writev", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_stopped(technique, {.act =
                                   [&] {
                                       int value = 1;
                                       const iovec here{&value, sizeof value};
                                       const iovec there{victim.page(), sizeof value};
                                       return outcome(::process_vm_writev(victim.pid(), &here, 1,
                                                                          &there, 1, 0));
                                   },
                               .object = victim.object(),
                               .effect = [&] { return victim.was_written(); },
                               .undo = [&] { victim.clean(); }});
}

ESCAPE(ProcMemWrite, kGroup, "/proc/PID/mem, past read-only code", kProcLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(
        technique, mine,
        {.act =
             [&] {
                 const UniqueFd memory(::open(victim.proc("mem").c_str(), O_RDWR | O_CLOEXEC));
                 const int value = 1;
                 if (!memory)
                     return errno;
                 return outcome(::pwrite(memory.get(), &value, sizeof value,
                                         reinterpret_cast<off_t>(victim.page())));
             },
         .error = EACCES,
         .object = victim.object(),
         .effect = [&] { return victim.was_written(); },
         .undo = [&] { victim.clean(); }});
}

ESCAPE(ProcRoot, kGroup, "/proc/PID/root of a host process", kProcLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(
        technique, mine,
        {.act = [&] { return opened(::open(victim.proc("root/etc/shadow").c_str(), O_RDONLY)); },
         .error = EACCES,
         .object = victim.object()});
}

ESCAPE(ProcFd, kGroup, "/proc/PID/fd: a descriptor of a host process opened again", kProcLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(
        technique, mine,
        {.act =
             [&] {
                 std::array<char, 64> to{};
                 return outcome(::readlink(victim.proc("fd/1").c_str(), to.data(), to.size()));
             },
         .error = EACCES,
         .object = victim.object()});
}

ESCAPE(LeakedProc, kGroup, "a leaked directory of the host's procfs", kProcLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Victim victim;
    const UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string file = std::to_string(victim.pid()) + "/cmdline";
    expect_stopped(technique,
                   {.act = [&] { return opened(::openat(proc.get(), file.c_str(), O_RDONLY)); },
                    .object = file});
}

ESCAPE(PidfdGetfd, kGroup, "pidfd_getfd", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim, [&] {
        const int pidfd = open_pidfd(victim.pid());
        return opened(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, 1, 0)));
    });
}

ESCAPE(Kcmp, kGroup, "kcmp: whether two processes share an object, and where it lies", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim, [&] {
        return outcome(::syscall(SYS_kcmp, ::getpid(), victim.pid(), KCMP_VM, 0, 0));
    });
}

ESCAPE(RobustList, kGroup, "get_robust_list: futexes of another's memory", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim, [&] {
        void* head = nullptr;
        std::size_t bytes = 0;
        return outcome(::syscall(SYS_get_robust_list, victim.pid(), &head, &bytes));
    });
}

ESCAPE(ProcessMadvise, kGroup, "process_madvise: another's pages thrown out", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(
        technique, victim,
        [&] {
            const int pidfd = open_pidfd(victim.pid());
            const iovec there{victim.page(), 4096};
            return outcome(::syscall(SYS_process_madvise, pidfd, &there, 1, MADV_COLD, 0));
        },
        EACCES);
}

ESCAPE(SetnsPidfd, kGroup, "setns into a host process by pidfd", kPidLock,
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Victim victim;
    expect_untraced(technique, victim, [&] {
        constexpr int kNewUts = 0x04000000;
        return outcome(::syscall(SYS_setns, open_pidfd(victim.pid()), kNewUts));
    });
}

ESCAPE(Priority, kGroup, "setpriority of a host process", kPidLock,
       {{BH_HOOK_task_setnice, BH_CLASS_PROCESS}}) {
    const Victim victim;
    const auto who = static_cast<id_t>(victim.pid());
    expect_stopped(technique, {.act = [&] { return outcome(::setpriority(PRIO_PROCESS, who, 19)); },
                               .object = victim.object(),
                               .effect = [&] { return ::getpriority(PRIO_PROCESS, who) == 19; },
                               .undo = [&] { ::setpriority(PRIO_PROCESS, who, 0); }});
}

ESCAPE(Affinity, kGroup, "sched_setaffinity of a host process", kPidLock,
       {{BH_HOOK_task_setscheduler, BH_CLASS_PROCESS}}) {
    const Victim victim;
    expect_untraced(technique, victim, [&] {
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(0, &first);
        return outcome(::sched_setaffinity(victim.pid(), sizeof first, &first));
    });
}

ESCAPE(Prlimit, kGroup, "prlimit of a host process", kPidLock,
       {{BH_HOOK_task_setrlimit, BH_CLASS_PROCESS}}) {
    const Victim victim;
    const auto files = [&] {
        rlimit limit{};
        ::prlimit(victim.pid(), RLIMIT_NOFILE, nullptr, &limit);
        return limit.rlim_cur;
    };
    const rlim_t kept = files();
    const auto limit_to = [&](rlim_t count) {
        rlimit limit{};
        ::prlimit(victim.pid(), RLIMIT_NOFILE, nullptr, &limit);
        limit.rlim_cur = count;
        return outcome(::prlimit(victim.pid(), RLIMIT_NOFILE, &limit, nullptr));
    };
    expect_stopped(technique, {.act = [&] { return limit_to(3); },
                               .object = victim.object(),
                               .effect = [&] { return files() == 3; },
                               .undo = [&] { limit_to(kept); }});
}

}  // namespace
}  // namespace bulkhead::tests
