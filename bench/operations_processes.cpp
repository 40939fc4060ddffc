#include <sched.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "bench/operations.h"
#include "bench/stage.h"

extern char** environ;

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

// Forks a child that does `act` and ends, and waits for it.
template <typename Body>
void fork_and_wait(Body act) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        act();
        ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
}

Act fork_exit() {
    return [] { fork_and_wait([] {}); };
}

Act fork_traceme() {
    return [] { fork_and_wait([] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }); };
}

Act fork_userns() {
    return [] { fork_and_wait([] { ::unshare(CLONE_NEWUSER); }); };
}

Act exec() {
    return [] {
        std::string path = kTrue;
        std::array<char*, 2> words = {path.data(), nullptr};
        pid_t pid = -1;
        if (::posix_spawn(&pid, path.c_str(), nullptr, nullptr, words.data(), environ) == 0)
            ::waitpid(pid, nullptr, 0);
    };
}

// Two switches: to the child that echoes, and back.
Act context_switch() {
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    if (::pipe(there.data()) != 0 || ::pipe(back.data()) != 0)
        ::_exit(1);
    const pid_t pid = ::fork();
    if (pid == 0) {
        char byte = 0;
        ::close(there[1]);
        while (::read(there[0], &byte, 1) == 1)
            (void)!::write(back[1], &byte, 1);
        ::_exit(0);
    }
    return [out = there[1], in = back[0]] {
        char byte = 0;
        (void)!::write(out, &byte, 1);
        (void)!::read(in, &byte, 1);
    };
}

Act kill_self() {
    return [pid = ::getpid()] { ::kill(pid, 0); };
}

Act read_memory() {
    static char word = 1;
    return [pid = fork_waiting_child()] {
        char copy = 0;
        const iovec local{&copy, 1};
        const iovec remote{&word, 1};
        ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    };
}

Act set_priority() {
    return [] { ::setpriority(PRIO_PROCESS, 0, 0); };
}

Act set_scheduler() {
    return [] {
        const sched_param none{};
        ::sched_setscheduler(0, SCHED_OTHER, &none);
    };
}

Act set_ioprio() {
    constexpr int kWhoProcess = 1;
    constexpr int kBestEffort4 = 2 << 13 | 4;
    return [] { ::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffort4); };
}

Act move_pages() {
    return
        [pid = ::getpid()] { ::syscall(SYS_move_pages, pid, 0UL, nullptr, nullptr, nullptr, 0); };
}

Act get_limit() {
    return [pid = fork_waiting_child()] {
        rlimit limit{};
        ::prlimit(pid, RLIMIT_CORE, nullptr, &limit);
    };
}

Act set_limit() {
    return [] {
        rlimit limit{};
        ::getrlimit(RLIMIT_CORE, &limit);
        ::setrlimit(RLIMIT_CORE, &limit);
    };
}

}  // namespace

std::span<const Operation> process_operations() {
    static constexpr std::array kOperations = {
        Operation{"fork_exit", 1, fork_exit},
        Operation{"exec", 1, exec},
        Operation{"context_switch", 150, context_switch},
        Operation{"kill", 200, kill_self},
        Operation{"read_memory", 50, read_memory},
        Operation{"setpriority", 100, set_priority},
        Operation{"setscheduler", 100, set_scheduler},
        Operation{"ioprio", 100, set_ioprio},
        Operation{"move_pages", 50, move_pages},
        Operation{"prlimit", 100, get_limit},
        Operation{"setrlimit", 100, set_limit},
        Operation{"fork_traceme", 1, fork_traceme},
        Operation{"fork_userns", 1, fork_userns, Frees::kLater},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
