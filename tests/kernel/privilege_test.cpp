// What a policy refuses a process among its own: more privilege, more priority, debugging, dumps.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr uid_t kUser = 1000;

class Strict : public BareEnvironment {
public:
    explicit Strict(bh_class class_id) : BareEnvironment("mine") {
        allow(BH_CLASS_FILES);
        refuse(class_id);
    }
};

// The errno of executing `path` as `uid`, or 0 when it ran and succeeded.
int execute(const std::string& path, uid_t uid) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0)
            ::_exit(EXIT_FAILURE);
        ::execl(path.c_str(), path.c_str(), nullptr);
        ::_exit(errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

class Executable {
public:
    explicit Executable(mode_t mode) : path_(place_.at("true")) {
        std::filesystem::copy_file("/bin/true", path_);
        EXPECT_EQ(::chmod(path_.c_str(), mode), 0);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    Tmpfs place_;
    std::string path_;
};

constexpr Expected kGain{BH_HOOK_bprm_creds_from_file, BH_CLASS_SETUID, EPERM};

FENCE_TEST(RefusesFilesThatChangeIds, "bh_file_creds") {
    Strict mine(BH_CLASS_SETUID);
    for (const mode_t mode : {04755, 02755}) {
        const Executable file(mode);
        expect_refused(mine, kGain, [&] { return execute(file.path(), kUser); });
        EXPECT_STREQ(mine.last_refusal_by(BH_HOOK_bprm_creds_from_file).text[0], "true");
        EXPECT_EQ(Actor::run(&mine, [&] { return execute(file.path(), 0); }), 0)
            << "root becomes no more than root";
    }
    const Executable plain(0755);
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(plain.path(), kUser); }), 0);
}

FENCE_TEST(RefusesFilesThatGiveCapabilities, "bh_file_creds") {
    Strict mine(BH_CLASS_SETUID);
    const Executable file(0755);
    vfs_cap_data data{};
    data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
    data.data[0].permitted = 1U << CAP_NET_RAW;
    ASSERT_EQ(::setxattr(file.path().c_str(), "security.capability", &data, sizeof data, 0), 0);
    expect_refused(mine, kGain, [&] { return execute(file.path(), kUser); });
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(file.path(), 0); }), 0);
}

// Attaches to a child of its own, which is let go again.
template <typename Attach>
int debug_child(Attach attach) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    const int error = attach(child);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return error;
}

FENCE_TEST(RefusesToDebugItsOwn, "bh_ptrace") {
    Strict mine(BH_CLASS_DEBUG);
    const Expected expected{BH_HOOK_ptrace_access_check, BH_CLASS_DEBUG, EPERM};
    expect_refused(mine, expected, [] {
        return debug_child(
            [](pid_t child) { return outcome(::ptrace(PTRACE_SEIZE, child, nullptr, nullptr)); });
    });
    expect_refused(mine, expected, [] {
        return debug_child([](pid_t child) {
            static char there = 1;
            char byte = 0;
            const iovec here{&byte, 1};
            const iovec remote{&there, 1};
            return outcome(::process_vm_readv(child, &here, 1, &remote, 1, 0));
        });
    });
}

TEST(Fence, LetsProcessesReadOfTheirOwnThoughDebuggingIsRefused) {
    Strict mine(BH_CLASS_DEBUG);
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             return opened(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) |
                                    debug_child([](pid_t child) {
                                        const std::string path =
                                            "/proc/" + std::to_string(child) + "/environ";
                                        return opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
                                    });
                         }),
              0);
}

FENCE_TEST(RefusesToBeDebuggedByItsOwn, "bh_traceme") {
    Strict mine(BH_CLASS_DEBUG);
    expect_refused(mine, {BH_HOOK_ptrace_traceme, BH_CLASS_DEBUG, EPERM}, [] {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(outcome(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)));
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    });
}

FENCE_TEST(RefusesToRaiseItsPriority, "bh_setnice") {
    Strict mine(BH_CLASS_PRIORITY);
    mine.allow(BH_CLASS_CAPABILITIES);  // the host's SYS_NICE is asked for first
    expect_refused(mine, {BH_HOOK_task_setnice, BH_CLASS_PRIORITY, EPERM}, [] {
        return outcome(::setpriority(PRIO_PROCESS, 0, 5)) |
               outcome(::setpriority(PRIO_PROCESS, 0, 4));
    });
    EXPECT_EQ(Actor::run(&mine, [] { return outcome(::setpriority(PRIO_PROCESS, 0, 5)); }), 0);
}

// glibc does not have it; version 0 of the structure.
struct SchedulingAttributes {
    __u32 size = sizeof(SchedulingAttributes);
    __u32 policy = SCHED_OTHER;
    __u64 flags = 0;
    __s32 nice = 0;
    __u32 priority = 0;
    __u64 runtime = 0;
    __u64 deadline = 0;
    __u64 period = 0;
};

FENCE_TEST(RefusesRealTimeScheduling, "bh_setsched") {
    Strict mine(BH_CLASS_PRIORITY);
    mine.allow(BH_CLASS_CAPABILITIES);  // the host's SYS_NICE is asked for first
    const Expected expected{BH_HOOK_task_setscheduler, BH_CLASS_PRIORITY, EPERM};
    for (const int policy : {SCHED_FIFO, SCHED_RR, SCHED_FIFO | SCHED_RESET_ON_FORK})
        expect_refused(mine, expected, [&] {
            const sched_param lowest{1};
            return outcome(::sched_setscheduler(0, policy, &lowest));
        });
    // What its attributes say cannot be known for sure.
    expect_refused(mine, expected, [] {
        SchedulingAttributes attributes;
        return outcome(::syscall(SYS_sched_setattr, 0, &attributes, 0));
    });
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const sched_param none{};
                             cpu_set_t first;
                             CPU_ZERO(&first);
                             CPU_SET(0, &first);
                             return outcome(::sched_setscheduler(0, SCHED_BATCH, &none)) |
                                    outcome(::sched_setparam(0, &none)) |
                                    outcome(::sched_setaffinity(0, sizeof first, &first));
                         }),
              0);
}

FENCE_TEST(RefusesRealTimeInputAndOutput, "bh_setioprio") {
    constexpr int kWhoProcess = 1;
    constexpr int kRealTime = 1 << 13 | 4;
    constexpr int kBestEffort = 2 << 13 | 4;
    Strict mine(BH_CLASS_PRIORITY);
    mine.allow(BH_CLASS_CAPABILITIES);  // the host's SYS_NICE is asked for first
    expect_refused(mine, {BH_HOOK_task_setioprio, BH_CLASS_PRIORITY, EPERM},
                   [] { return outcome(::syscall(SYS_ioprio_set, kWhoProcess, 0, kRealTime)); });
    EXPECT_EQ(
        Actor::run(&mine,
                   [] { return outcome(::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffort)); }),
        0);
}

FENCE_TEST(RefusesToDumpCore, "bh_setrlimit") {
    Strict mine(BH_CLASS_CORE_DUMPS);
    expect_refused(mine, {BH_HOOK_task_setrlimit, BH_CLASS_CORE_DUMPS, EPERM}, [] {
        const rlimit two{2, 2};
        return outcome(::setrlimit(RLIMIT_CORE, &two));
    });
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const rlimit one{1, 1};
                             return outcome(::setrlimit(RLIMIT_CORE, &one)) |
                                    outcome(::setrlimit(RLIMIT_NOFILE, &one));
                         }),
              0);
}

FENCE_TEST(RefusesToExecuteWithAnotherPersonality, "bh_exec") {
    Strict mine(BH_CLASS_PERSONALITY);
    expect_refused(mine, {BH_HOOK_bprm_check_security, BH_CLASS_PERSONALITY, EPERM}, [] {
        ::personality(ADDR_NO_RANDOMIZE);
        return execute("/bin/true", 0);
    });
    EXPECT_EQ(mine.last_refusal().object[0], static_cast<__u64>(ADDR_NO_RANDOMIZE));
    EXPECT_EQ(Actor::run(&mine, [] { return execute("/bin/true", 0); }), 0);
}

FENCE_TEST(RefusesCapabilitiesThatAreNotKept, "bh_capable") {
    Strict mine(BH_CLASS_DROPPED_CAPABILITIES);
    const auto change_root = [] { return outcome(::chroot("/")); };
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_DROPPED_CAPABILITIES, EPERM}, change_root);
    EXPECT_EQ(mine.last_refusal().object[0], static_cast<__u64>(CAP_SYS_CHROOT));
    bh_policy policy{};
    policy.capabilities = 1ULL << CAP_SYS_CHROOT;
    put_policy(mine, generation_of(mine), policy);
    EXPECT_EQ(Actor::run(&mine, change_root), 0);
    policy.capabilities = ~policy.capabilities;
    put_policy(mine, generation_of(mine), policy);
    EXPECT_EQ(Actor::run(&mine, change_root), EPERM);
}

}  // namespace
}  // namespace bulkhead::tests
