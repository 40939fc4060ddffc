#include "tests/e2e/traced.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace bulkhead::tests {
namespace {

bool changes_something(const __ptrace_syscall_info& info) {
    constexpr std::array kCalls = {SYS_unlink, SYS_unlinkat, SYS_rmdir,
                                   SYS_rename, SYS_renameat, SYS_renameat2};
    constexpr std::array kCommands = {BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_PROG_ATTACH,
                                      BPF_PROG_DETACH,     BPF_LINK_CREATE,     BPF_LINK_DETACH};
    const auto is = [](const auto& known, std::uint64_t one) {
        return std::find(known.begin(), known.end(), static_cast<int>(one)) != known.end();
    };
    return info.entry.nr == SYS_bpf ? is(kCommands, info.entry.args[0]) : is(kCalls, info.entry.nr);
}

}  // namespace

Traced::Traced(pid_t pid) : pid_(pid) {
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACESYSGOOD), 0);
    EXPECT_EQ(::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), 0);
    ::waitpid(pid, nullptr, 0);
}

bool Traced::to_next_change() {
    while (true) {
        int status = 0;
        ::ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr);
        if (::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status))
            return false;
        __ptrace_syscall_info info{};
        ::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info, &info);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_something(info))
            return true;
    }
}

}  // namespace bulkhead::tests
