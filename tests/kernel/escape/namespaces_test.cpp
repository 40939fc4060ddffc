// New namespaces, and those of the host.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "namespaces";
constexpr const char* kAdminLock = "user namespace; CAP_SYS_ADMIN is dropped";

std::string host_name() {
    utsname names{};
    ::uname(&names);
    return names.nodename;
}

ESCAPE(UserNamespace, kGroup, "unshare(CLONE_NEWUSER): all capabilities again", "none",
       {{BH_HOOK_userns_create, BH_CLASS_USER_NAMESPACES}}) {
    expect_stopped(technique, {.act = [] { return outcome(::unshare(CLONE_NEWUSER)); }});
}

ESCAPE(UserNamespaceByClone, kGroup, "clone3(CLONE_NEWUSER)", "none",
       {{BH_HOOK_userns_create, BH_CLASS_USER_NAMESPACES}}) {
    expect_stopped(technique, {.act = [] {
                       clone_args arguments{};
                       arguments.flags = CLONE_NEWUSER;
                       arguments.exit_signal = SIGCHLD;
                       const auto child =
                           static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
                       if (child == 0)
                           ::_exit(0);
                       return child < 0 ? errno : outcome(::waitpid(child, nullptr, 0));
                   }});
}

ESCAPE(MountNamespace, kGroup, "unshare(CLONE_NEWNS)", kAdminLock,
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act = [] { return outcome(::unshare(CLONE_NEWNS)); },
                               .object = "capability 21"});
}

ESCAPE(SetnsByProc, kGroup, "setns through /proc/PID/ns of a host process",
       "PID namespace; user namespace", {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Actor victim(nullptr);
    const std::string path = "/proc/" + std::to_string(victim.pid()) + "/ns/mnt";
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(technique, mine,
                   {.act =
                        [&] {
                            const UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
                            return space ? outcome(::setns(space.get(), CLONE_NEWNS)) : errno;
                        },
                    .error = EACCES,
                    .object = "pid " + std::to_string(victim.pid()) + " "});
}

ESCAPE(SetnsByPassedDescriptor, kGroup, "setns with a namespace descriptor that leaked in",
       "user namespace", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    const UniqueFd space(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    expect_stopped(technique, {.act = [&] { return outcome(::setns(space.get(), CLONE_NEWUTS)); },
                               .object = "capability 21"});
}

ESCAPE(HostName, kGroup, "sethostname of the host", "UTS namespace; CAP_SYS_ADMIN is dropped",
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    const std::string kept = host_name();
    expect_stopped(technique, {.act = [] { return outcome(::sethostname("escaped", 7)); },
                               .object = "capability 21",
                               .effect = [] { return host_name() == "escaped"; },
                               .undo = [&] { (void)!::sethostname(kept.data(), kept.size()); }});
}

}  // namespace
}  // namespace bulkhead::tests
