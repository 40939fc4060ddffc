// Out of the environment's cgroup, and past its limits.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "runtime/cgroup.h"
#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "cgroups and limits";
constexpr const char* kCgroupLock = "user and cgroup namespace; read-only cgroupfs";

int write_value(const std::string& path, const std::string& value) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
        return errno;
    return outcome(::write(file.get(), value.data(), value.size()));
}

std::string first_line(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

// A cgroup of the host beside the environments'.
class HostCgroup {
public:
    HostCgroup() { EXPECT_EQ(::mkdir(path().c_str(), 0755), 0) << errno; }
    HostCgroup(const HostCgroup&) = delete;
    HostCgroup& operator=(const HostCgroup&) = delete;
    ~HostCgroup() { EXPECT_EQ(::rmdir(path().c_str()), 0) << errno; }
    [[nodiscard]] static std::string path() { return "/sys/fs/cgroup/escape"; }
};

ESCAPE(CgroupMove, kGroup, "own pid written to the root cgroup's cgroup.procs", kCgroupLock,
       {{BH_HOOK_file_open, BH_CLASS_CGROUPS}}) {
    expect_stopped(technique,
                   {.act = [] { return write_value("/sys/fs/cgroup/cgroup.procs", "0"); },
                    .object = "cgroup.procs"});
}

// Born beside the environment's cgroup: no file is opened, and no hook sees where it leads.
ESCAPE(CloneIntoCgroup, kGroup, "clone3(CLONE_INTO_CGROUP) with a leaked cgroup directory",
       kCgroupLock, {{BH_HOOK_task_alloc, BH_CLASS_CGROUPS}}) {
    const HostCgroup place;
    const UniqueFd leaked(::open(HostCgroup::path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_stopped(technique, {.act = [&] {
                       clone_args arguments{};
                       arguments.flags = CLONE_INTO_CGROUP;
                       arguments.exit_signal = SIGCHLD;
                       arguments.cgroup = static_cast<__u64>(leaked.get());
                       const auto child =
                           static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
                       if (child == 0)
                           ::_exit(0);
                       return child < 0 ? errno : outcome(::waitpid(child, nullptr, 0));
                   }});
}

ESCAPE(CgroupThreadMove, kGroup, "own thread written to a foreign cgroup.threads", kCgroupLock,
       {{BH_HOOK_file_open, BH_CLASS_CGROUPS}}) {
    BareEnvironment mine("mine");
    mine.own("/sys/fs/cgroup");
    expect_stopped(technique, mine,
                   {.act = [] { return write_value("/sys/fs/cgroup/cgroup.threads", "0"); },
                    .object = "cgroup.threads"});
}

ESCAPE(ChildCgroup, kGroup, "a child cgroup, to hide in", kCgroupLock,
       {{BH_HOOK_path_mkdir, BH_CLASS_CGROUPS}}) {
    BareEnvironment mine("mine");
    mine.own("/sys/fs/cgroup");
    const std::string child = mine.cgroup() + "/child";
    expect_stopped(technique, mine,
                   {.act = [&] { return outcome(::mkdir(child.c_str(), 0755)); },
                    .object = "mine",
                    .effect = [&] { return ::access(child.c_str(), F_OK) == 0; },
                    .undo = [&] { ::rmdir(child.c_str()); }});
}

ESCAPE(RaisedMemoryLimit, kGroup, "own memory.max raised", kCgroupLock,
       {{BH_HOOK_file_open, BH_CLASS_CGROUPS}}) {
    BareEnvironment mine("mine");
    mine.own("/sys/fs/cgroup");
    const std::string limit = mine.cgroup() + "/memory.max";
    std::ofstream(limit) << "64M";
    expect_stopped(technique, mine,
                   {.act = [&] { return write_value(limit, "max"); },
                    .object = "memory.max",
                    .effect = [&] { return first_line(limit) == "max"; },
                    .undo = [&] { std::ofstream(limit) << "64M"; }});
}

ESCAPE(OomProtection, kGroup, "oom_score_adj lowered, so that the host's processes die instead",
       "user namespace: CAP_SYS_RESOURCE of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(technique, mine,
                   {.act = [] { return write_value("/proc/self/oom_score_adj", "-1000"); },
                    .error = EACCES,
                    .object = "capability 24"});
}

ESCAPE(RaisedResourceLimit, kGroup, "setrlimit beyond the hard limit",
       "user namespace: CAP_SYS_RESOURCE of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       rlimit files{};
                                       ::getrlimit(RLIMIT_NOFILE, &files);
                                       files.rlim_max += 1;
                                       return outcome(::setrlimit(RLIMIT_NOFILE, &files));
                                   },
                               .object = "capability 24"});
}

// The processor time of real-time tasks is not counted against cpu.max.
ESCAPE(RealTime, kGroup, "SCHED_FIFO, which no CPU limit holds",
       "user namespace: CAP_SYS_NICE of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       const sched_param first{.sched_priority = 1};
                                       return outcome(::sched_setscheduler(0, SCHED_FIFO, &first));
                                   },
                               .object = "capability 23"});
}

}  // namespace
}  // namespace bulkhead::tests
