// Programs that the kernel itself starts as root on the host: who names the program, or makes the
// kernel start it, is out.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "user-mode helpers";
constexpr const char* kProcLock = "user namespace; read-only /proc/sys of its own procfs";

// Opens for writing and writes; 0 or the errno.
int write_file(int directory, const std::string& path, const std::string& text) {
    const UniqueFd file(::openat(directory, path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
        return errno;
    return outcome(::write(file.get(), text.data(), text.size()));
}

std::string read_file(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

// Names `value` in a sysctl of the host, through a directory of its /proc that leaked in.
void expect_sysctl_kept(const Technique& technique, const std::string& name,
                        const std::string& value) {
    const UniqueFd leaked(::open("/proc/sys/kernel", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string path = "/proc/sys/kernel/" + name;
    const std::string kept = read_file(path);
    expect_stopped(technique, {.act = [&] { return write_file(leaked.get(), name, value); },
                               .object = name,
                               .effect = [&] { return read_file(path) == value; },
                               .undo = [&] { std::ofstream(path) << kept << "\n"; }});
}

ESCAPE(CorePattern, kGroup, "core_pattern through a leaked `/proc/sys` directory", kProcLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    expect_sysctl_kept(technique, "core_pattern", "|/tmp/escape %p");
}

ESCAPE(ModprobePath, kGroup, "modprobe_path through a leaked `/proc/sys` directory", kProcLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    expect_sysctl_kept(technique, "modprobe", "/tmp/escape");
}

// The environment's own procfs shows the host's settings where the mount is writable.
ESCAPE(CorePatternInItsOwnProc, kGroup, "core_pattern in a writable /proc/sys of its own",
       kProcLock, {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    const std::string path = "/proc/sys/kernel/core_pattern";
    const std::string kept = read_file(path);
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(technique, mine,
                   {.act = [&] { return write_file(AT_FDCWD, path, "|/tmp/escape %p"); },
                    .object = "core_pattern",
                    .effect = [&] { return read_file(path) == "|/tmp/escape %p"; },
                    .undo = [&] { std::ofstream(path) << kept << "\n"; }});
}

ESCAPE(SysRq, kGroup, "`/proc/sysrq-trigger`", kProcLock, {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(technique, mine,
                   {.act = [] { return write_file(AT_FDCWD, "/proc/sysrq-trigger", "h"); },
                    .object = "sysrq-trigger"});
}

// Debian's kernels have no uevent_helper; what a forged event reaches there is udev.
ESCAPE(Uevent, kGroup, "uevent of a device through a leaked sysfs directory (uevent_helper, udev)",
       "user namespace; read-only sysfs of its own", {{BH_HOOK_file_open, BH_CLASS_KERNEL_FILES}}) {
    const UniqueFd leaked(
        ::open("/sys/devices/virtual/mem/null", O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::string before = read_file("/sys/kernel/uevent_seqnum");
    const auto sent = [&] { return read_file("/sys/kernel/uevent_seqnum") != before; };
    expect_stopped(technique, {.act = [&] { return write_file(leaked.get(), "uevent", "change"); },
                               .object = "null/uevent",
                               .effect = sent,
                               .undo =
                                   [&] {
                                       ::usleep(50'000);
                                       before = read_file("/sys/kernel/uevent_seqnum");
                                   }});
}

ESCAPE(BinfmtMisc, kGroup, "an interpreter registered in binfmt_misc",
       "user namespace; binfmt_misc is not mounted", {{BH_HOOK_file_open, BH_CLASS_KERNEL_FILES}}) {
    Tmpfs place;
    place.make_directory("binfmt");
    const std::string directory = place.at("binfmt");
    ASSERT_EQ(::system("modprobe binfmt_misc"), 0);
    ASSERT_EQ(::mount("none", directory.c_str(), "binfmt_misc", 0, nullptr), 0) << errno;
    expect_stopped(technique, {.act =
                                   [&] {
                                       return write_file(AT_FDCWD, directory + "/register",
                                                         ":escape:M::\\x7fELF::/tmp/escape:");
                                   },
                               .object = "register",
                               .effect = [&] { return place.has("binfmt/escape"); },
                               .undo = [&] { std::ofstream(directory + "/escape") << "-1"; }});
    ::umount2(directory.c_str(), MNT_DETACH);
}

class OldHierarchy {
public:
    OldHierarchy() {
        place_.make_directory("v1");
        EXPECT_EQ(::mount("none", place_.at("v1").c_str(), "cgroup", 0, "none,name=escape"), 0)
            << errno;
        place_.make_directory("v1/victim");
    }
    OldHierarchy(const OldHierarchy&) = delete;
    OldHierarchy& operator=(const OldHierarchy&) = delete;
    ~OldHierarchy() {
        ::rmdir(place_.at("v1/victim").c_str());
        ::umount2(place_.at("v1").c_str(), MNT_DETACH);
    }
    [[nodiscard]] std::string at(const std::string& name) const { return place_.at("v1/" + name); }

private:
    Tmpfs place_;
};

ESCAPE(ReleaseAgent, kGroup, "release_agent of a cgroup v1 hierarchy (CVE-2022-0492)",
       "user namespace; no cgroup v1 mount, nor a way to make one",
       {{BH_HOOK_file_open, BH_CLASS_CGROUPS}}) {
    const OldHierarchy hierarchy;
    const std::string agent = hierarchy.at("release_agent");
    expect_stopped(technique, {.act = [&] { return write_file(AT_FDCWD, agent, "/tmp/escape"); },
                               .object = "release_agent",
                               .effect = [&] { return read_file(agent) == "/tmp/escape"; },
                               .undo = [&] { std::ofstream(agent) << "\n"; }});
}

ESCAPE(ReleaseAgentMount, kGroup, "mounting a cgroup v1 hierarchy for its release_agent",
       "user namespace; CAP_SYS_ADMIN is dropped", {{BH_HOOK_sb_mount, BH_CLASS_MOUNTS}}) {
    Tmpfs place;
    place.make_directory("v1");
    const std::string directory = place.at("v1");
    expect_stopped(technique, {.act =
                                   [&] {
                                       return outcome(::mount("none", directory.c_str(), "cgroup",
                                                              0, "none,name=escape"));
                                   },
                               .object = "v1",
                               .effect = [&] { return place.has("v1/release_agent"); },
                               .undo = [&] { ::umount2(directory.c_str(), MNT_DETACH); }});
}

}  // namespace
}  // namespace bulkhead::tests
