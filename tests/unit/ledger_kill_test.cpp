// Between the end of an environment and the commit, somebody is killed at any of the system calls,
// or the power is cut: nothing is lost, nothing is doubled.
//
// A child does what the end of environments does: it leaves final readings, of an environment and
// of an exec in it, "withdraws" each once that is done, and moves what is pending into the ledger.
// It is traced, and ends at a random system call; the next child goes on with the environments that
// are left, as commands do.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <random>

#include "runtime/receipts_drain.h"
#include "tests/unit/disk.h"
#include "tests/unit/ledger_support.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

constexpr int kKills = 1000;
constexpr int kKillsEach = 50;  // of one ledger, at most
constexpr std::uint32_t kEndedEach = 2;

// What the kernel knows: which environments ended, and which of them are withdrawn. Shared with the
// children; survives them as the kernel would.
struct Kernel {
    std::atomic<std::uint32_t> ended;      // serials 1 to this one
    std::atomic<std::uint32_t> withdrawn;  // of these, from 1 on
};

class SharedKernel {
public:
    SharedKernel()
        : kernel_(static_cast<Kernel*>(::mmap(nullptr, sizeof(Kernel), PROT_READ | PROT_WRITE,
                                              MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    SharedKernel(const SharedKernel&) = delete;
    SharedKernel& operator=(const SharedKernel&) = delete;
    ~SharedKernel() { ::munmap(kernel_, sizeof(Kernel)); }
    Kernel* operator->() const { return kernel_; }

private:
    Kernel* kernel_;
};

int store_all(const SharedKernel& kernel, const std::string& directory) {
    while (kernel->withdrawn < kernel->ended) {
        const std::uint32_t serial = kernel->withdrawn + 1;
        if (!ledger::append(directory, ended_exec(serial)) ||
            !ledger::append(directory, ended(serial)))
            return 1;
        ++kernel->withdrawn;
    }
    auto ledger = ledger::Ledger::open(directory);
    return ledger && runtime::drain(*ledger, directory) ? 0 : 1;
}

struct Traced {
    bool killed = false;
    int calls = 0;
    int status = 0;
};

constexpr int kNone = -1;

// The descriptor that a call which ends has synchronised.
int synced_descriptor(pid_t child) {
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    static decltype(info.entry) call{};
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        call = info.entry;
    const bool ends = info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error == 0;
    return ends && (call.nr == SYS_fsync || call.nr == SYS_fdatasync)
               ? static_cast<int>(call.args[0])
               : kNone;
}

// Runs `act` in a child and kills it at its system call `kill_at` (begin and end of a call count),
// -1: never. `dying` is called before the kill.
Traced trace(const std::function<int()>& act, int kill_at, Disk& disk,
             const std::function<void()>& dying) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        ::_exit(act());
    }
    Traced traced;
    ::waitpid(child, &traced.status, 0);
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (true) {
        ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        ::waitpid(child, &traced.status, 0);
        if (!WIFSTOPPED(traced.status))
            return traced;
        if (const int descriptor = synced_descriptor(child); descriptor != kNone)
            disk.synced(child, descriptor);
        if (traced.calls++ != kill_at)
            continue;
        dying();
        ::kill(child, SIGKILL);
        ::waitpid(child, &traced.status, 0);
        traced.killed = true;
        return traced;
    }
}

// The exec's goes to the file first.
void expect_each_exec_once(const ledger::Ledger& ledger, std::uint32_t withdrawn,
                           std::size_t environments) {
    const auto execs = ledger.exec_receipts({});
    ASSERT_TRUE(execs);
    ASSERT_GE(execs->size(), environments) << "lost";
    ASSERT_LE(execs->size(), withdrawn + 1) << "doubled";
    for (std::uint32_t i = 0; i < execs->size(); ++i)
        ASSERT_EQ((*execs)[i].document["exec"], i + 1);
}

void expect_each_once(const std::string& directory, std::uint32_t withdrawn) {
    auto ledger = ledger::Ledger::open(directory);
    ASSERT_TRUE(ledger) << ledger.error().message();
    const auto drained = runtime::drain(*ledger, directory);
    ASSERT_TRUE(drained) << drained.error().message();
    const auto serials = ledger->stored_serials(ended(1).life.boot, ended(1).life.loaded_ns);
    ASSERT_TRUE(serials);
    // One more may be there: stored, but killed before it was withdrawn.
    ASSERT_GE(serials->size(), withdrawn) << "lost";
    ASSERT_LE(serials->size(), withdrawn + 1) << "doubled";
    unsigned __int128 sum = 0;
    for (std::uint32_t i = 0; i < serials->size(); ++i) {
        ASSERT_EQ((*serials)[i], i + 1);
        sum += (i + 1) * 1'000'000ULL;
    }
    const auto totals = ledger->totals();
    ASSERT_TRUE(totals);
    const bool adds_up =
        sum == 0 || (totals->contains("cpu.total_ns") && totals->at("cpu.total_ns") == sum);
    ASSERT_TRUE(adds_up);
    expect_each_exec_once(*ledger, withdrawn, serials->size());
}

class LedgerKill : public testing::Test {
protected:
    // Some environments ended; whoever comes by stores them, and is killed at a call, -1: never.
    Traced store_next(int kill_at) {
        kernel_->ended += kEndedEach;
        return trace([this] { return store_all(kernel_, place_.path()); }, kill_at, disk_,
                     [this] { cut_power(); });
    }

    void cut_power() {
        disk_.leave(cut_.path());
        expect_each_once(cut_.path(), kernel_->withdrawn);
    }

    // A ledger of its own, so that copying it stays cheap; its first calls make it. Returns how
    // many were killed.
    int round() {
        fs::remove_all(place_.path());
        kernel_->ended = 0;
        kernel_->withdrawn = 0;
        int kills = 0;
        int calls =
            trace([this] { return store_all(kernel_, place_.path()); }, -1, disk_, [] {}).calls;
        fs::remove_all(place_.path());
        disk_.forget();
        for (int i = 0; i < kKillsEach && !HasFatalFailure(); ++i) {
            const int kill_at = std::uniform_int_distribution<int>(0, calls - 1)(random_);
            const Traced traced = store_next(kill_at);
            EXPECT_TRUE(traced.killed || traced.status == 0);
            kills += traced.killed ? 1 : 0;
            // Somebody comes through now and then; what is left to do then is what counts next.
            if (i % 7 == 6)
                calls = store_next(-1).calls;
        }
        EXPECT_EQ(store_all(kernel_, place_.path()), 0);
        EXPECT_EQ(kernel_->withdrawn, kernel_->ended);
        expect_each_once(place_.path(), kernel_->ended);
        return kills;
    }

    SharedKernel kernel_;
    const LedgerDirectory place_{"kill"};
    Disk disk_{place_.path()};
    const LedgerDirectory cut_{"kill-cut"};
    std::mt19937 random_{20261124};
};

TEST_F(LedgerKill, LosesAndDoublesNothingAtAThousandPoints) {
    int kills = 0;
    while (kills < kKills && !HasFailure())
        kills += round();
    std::printf("killed at %d system calls\n", kills);
}

}  // namespace
}  // namespace bulkhead::tests
