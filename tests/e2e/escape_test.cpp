// Techniques whose first lock is the environment itself: its root, its mounts, its own /dev and
// /proc, the way it is started. The control does the same as a plain chroot, or on the host.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"
#include "tests/kernel/escape/technique.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuntime = "the runtime";
constexpr const char* kImage = "a hostile image";
constexpr const char* kPrivilege = "privilege by execution";
constexpr SecondLock kForeignFile{BH_HOOK_file_open, BH_CLASS_FILES};

// What `act` returns, as a process of its own with mounts of its own.
int in_own_mounts(const std::function<int()>& act) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            ::_exit(77);
        ::_exit(act());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string line_of(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

bool explains(const std::string& name, const std::string& hook, const std::string& object) {
    for (const auto& row : bulkhead_json({"why", name}))
        if (row.at("hook") == hook &&
            row.at("object").get<std::string>().find(object) != std::string::npos)
            return true;
    return false;
}

ESCAPE(RuntimeExecuted, kRuntime, "exec of #!/proc/self/exe (CVE-2019-5736)",
       "user namespace: the program is the host root's", {kForeignFile}) {
    constexpr int kNotExecuted = 77;
    const char* evil = "/tmp/evil";
    std::ofstream(evil) << "#!/proc/self/exe\n";
    ASSERT_EQ(::chmod(evil, 0755), 0);
    EXPECT_NE(in_own_mounts([&] {
                  ::close(STDERR_FILENO);
                  ::execl(evil, evil, nullptr);
                  return kNotExecuted;
              }),
              kNotExecuted)
        << "the control: these tests start themselves";
    ::unlink(evil);

    const Detached environment("escape", {"sleep", "1000"});
    ASSERT_EQ(bulkhead({"exec", "escape", "--", "sh", "-c",
                        "echo '#!/proc/self/exe' >/evil; chmod 755 /evil"})
                  .exit_code,
              0);
    EXPECT_EQ(bulkhead({"exec", "escape", "--", "/evil"}).exit_code, 126);
    EXPECT_TRUE(explains("escape", "file_open", "bin/bulkhead"));
}

constexpr int kLeaked = 20;

// A descriptor of the host that the runtime is started with.
void leak_host_directory() {
    const UniqueFd directory(::open("/usr/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ::dup2(directory.get(), kLeaked);
}

ESCAPE(WorkingDirectory, kRuntime,
       "--workdir /proc/self/fd/N of a leaked directory (CVE-2024-21626)",
       "all descriptors are closed before the payload; the root is pivoted", {kForeignFile}) {
    std::ofstream("/tmp/host-only") << "of the host\n";
    EXPECT_EQ(in_own_mounts([] {
                  leak_host_directory();
                  if (::chroot("/usr/bin") != 0 || ::fchdir(kLeaked) != 0)
                      return 1;
                  return ::access("../../tmp/host-only", R_OK);
              }),
              0)
        << "the control";
    // The leaked one, and those that the runtime opens itself.
    for (const int fd : {3, 4, 5, 6, 7, 8, 9, kLeaked}) {
        const Outcome outcome =
            run({"--workdir", "/proc/self/fd/" + std::to_string(fd)},
                {"cat", "../../tmp/host-only"}, {.prepare = leak_host_directory});
        EXPECT_NE(outcome.exit_code, 0);
        EXPECT_EQ(outcome.out, "");
    }
    ::unlink("/tmp/host-only");
}

// A root file system with one program, and a directory of the host that must not change.
class HostileImage {
public:
    HostileImage() {
        fs::create_directories(root() + "/bin");
        fs::create_directories(victim());
        std::ofstream(victim() + "/kept") << "of the host\n";
        fs::copy_file(busybox(), root() + "/bin/busybox");
        fs::create_symlink("busybox", root() + "/bin/sh");
    }
    HostileImage(const HostileImage&) = delete;
    HostileImage& operator=(const HostileImage&) = delete;
    ~HostileImage() {
        fs::remove_all(root());
        fs::remove_all(victim());
    }

    [[nodiscard]] static std::string root() { return "/tmp/hostile"; }
    [[nodiscard]] static std::string victim() { return "/tmp/victim"; }
    [[nodiscard]] static Outcome start(const std::string& script) {
        return bulkhead(
            {"run", "--best-effort", "--rootfs", root(), "--", "/bin/sh", "-c", script});
    }
    // The directory has what it had, and nothing is mounted on it.
    [[nodiscard]] static bool is_unchanged() {
        const auto entries =
            std::distance(fs::directory_iterator(victim()), fs::directory_iterator());
        return entries == 1 && line_of(victim() + "/kept") == "of the host";
    }

private:
    static std::string busybox() {
        for (const char* path : {"/bin/busybox", "/usr/bin/busybox", "/usr/lib/bulkhead/busybox"})
            if (fs::exists(path))
                return path;
        ADD_FAILURE() << "there is no busybox: install busybox-static";
        return "/bin/true";
    }
};

// A runtime that mounts by path follows the image's link out of the image.
void expect_link_stays_inside(const std::string& name) {
    const HostileImage image;
    const std::string link = HostileImage::root() + "/" + name;
    fs::create_symlink(HostileImage::victim(), link);
    EXPECT_EQ(in_own_mounts([&] {
                  return ::mount("tmpfs", link.c_str(), "tmpfs", 0, nullptr) == 0 &&
                                 !HostileImage::is_unchanged()
                             ? 0
                             : 1;
              }),
              0)
        << "the control";
    const Outcome outcome =
        HostileImage::start("busybox echo x >/proc/self/comm; busybox echo here");
    EXPECT_TRUE(outcome.exit_code != 0 || outcome.out == "here\n") << outcome.out << outcome.err;
    EXPECT_TRUE(HostileImage::is_unchanged());
}

ESCAPE(ProcLink, kImage, "/proc is a link out of the image: the runtime's writes go astray",
       "openat2(RESOLVE_IN_ROOT): a link ends inside the image") {
    expect_link_stays_inside("proc");
}

ESCAPE(DevLink, kImage, "/dev is a link out of the image",
       "openat2(RESOLVE_IN_ROOT): a link ends inside the image") {
    expect_link_stays_inside("dev");
}

ESCAPE(SysLink, kImage, "/sys is a link out of the image",
       "openat2(RESOLVE_IN_ROOT): a link ends inside the image") {
    expect_link_stays_inside("sys");
}

// A device of the image is a link to a setting of the host, which a runtime would mount or open.
void expect_device_is_its_own(const std::string& name) {
    const std::string setting = "/proc/sys/kernel/core_pattern";
    const std::string kept = line_of(setting);
    const HostileImage image;
    fs::create_directories(HostileImage::root() + "/dev");
    fs::create_directories(HostileImage::root() + "/proc");
    fs::create_symlink(setting, HostileImage::root() + "/dev/" + name);
    EXPECT_EQ(in_own_mounts([&] {
                  if (::chroot(HostileImage::root().c_str()) != 0 || ::chdir("/") != 0 ||
                      ::mount("proc", "/proc", "proc", 0, nullptr) != 0)
                      return 1;
                  std::ofstream("/dev/" + name) << "|/escape\n";
                  return line_of("/proc/sys/kernel/core_pattern") == "|/escape" ? 0 : 2;
              }),
              0)
        << "the control";
    std::ofstream(setting) << kept << "\n";
    (void)HostileImage::start("busybox echo '|/escape' >/dev/" + name);
    EXPECT_EQ(line_of(setting), kept);
}

ESCAPE(NullLink, kImage, "/dev/null is a link to core_pattern (CVE-2025-31133)",
       "an own /dev, made by the runtime; read-only /proc/sys",
       {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    expect_device_is_its_own("null");
}

ESCAPE(ConsoleLink, kImage, "/dev/console is a link to core_pattern (CVE-2025-52565)",
       "an own /dev, made by the runtime; read-only /proc/sys",
       {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    expect_device_is_its_own("console");
}

// A program of the host, as `attribute` makes it, run by nobody outside and inside.
std::string run_by_nobody_outside(const std::string& program, const char* argument) {
    int out[2];
    if (::pipe(out) != 0)
        return {};
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr uid_t kNobody = 65534;
        ::dup2(out[1], STDOUT_FILENO);
        if (::setgid(kNobody) == 0 && ::setuid(kNobody) == 0)
            ::execl(program.c_str(), program.c_str(), argument, nullptr);
        ::_exit(1);
    }
    ::close(out[1]);
    std::array<char, 4096> text{};
    const ssize_t bytes = ::read(out[0], text.data(), text.size());
    ::close(out[0]);
    ::waitpid(child, nullptr, 0);
    return std::string(text.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
}

ESCAPE(SetUid, kPrivilege, "a set-uid root program of the host, mounted in",
       "nosuid mounts; user namespace") {
    const std::string program = "/tmp/set-uid";
    ASSERT_TRUE(fs::copy_file("/usr/bin/id", program, fs::copy_options::overwrite_existing));
    ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
    EXPECT_EQ(run_by_nobody_outside(program, "-u"), "0\n") << "the control";
    const Outcome outcome =
        run({"--best-effort", "--user", "nobody", "--mount", program + ":/set-uid:ro"},
            {"/set-uid", "-u"});
    EXPECT_EQ(outcome.out, "65534\n") << outcome.err;
    ::unlink(program.c_str());
}

ESCAPE(FileCapabilities, kPrivilege, "a program of the host with file capabilities, mounted in",
       "nosuid mounts; user namespace") {
    const std::string program = "/tmp/capable";
    // struct vfs_cap_data, version 2, effective: CAP_SYS_ADMIN is 21.
    constexpr std::array<std::uint32_t, 5> kAdmin = {0x02000001, 1U << 21, 0, 0, 0};
    ASSERT_TRUE(fs::copy_file("/usr/bin/cat", program, fs::copy_options::overwrite_existing));
    ASSERT_EQ(::setxattr(program.c_str(), "security.capability", kAdmin.data(), sizeof kAdmin, 0),
              0);
    const auto has_admin = [](const std::string& status) {
        return status.find("CapEff:\t0000000000200000") != std::string::npos;
    };
    EXPECT_TRUE(has_admin(run_by_nobody_outside(program, "/proc/self/status"))) << "the control";
    const Outcome outcome =
        run({"--best-effort", "--user", "nobody", "--mount", program + ":/capable:ro"},
            {"/capable", "/proc/self/status"});
    EXPECT_NE(outcome.out.find("CapEff:\t0000000000000000"), std::string::npos) << outcome.err;
    ::unlink(program.c_str());
}

// The kernel starts the helper as root in the host's namespaces, with the crashed memory as input.
ESCAPE(CoreDump, "user-mode helpers", "a crash, to have the host's core_pattern helper read it",
       "RLIMIT_CORE of 1: the kernel starts no helper") {
    const std::string setting = "/proc/sys/kernel/core_pattern";
    const std::string trace = "/run/escape-core";
    const std::string kept = line_of(setting);
    std::ofstream(setting) << "|/usr/bin/touch " << trace << "\n";
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGSEGV, SIG_DFL);
        ::raise(SIGSEGV);
    }
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return fs::exists(trace); })) << "the control";
    fs::remove(trace);
    const Outcome outcome = run({}, {"sh", "-c", "sh -c 'kill -SEGV $$'; echo $?"});
    EXPECT_EQ(outcome.out, "139\n") << outcome.err;
    EXPECT_FALSE(eventually([&] { return fs::exists(trace); }, 1));
    std::ofstream(setting) << kept << "\n";
}

int open_terminals(int wanted) {
    std::vector<UniqueFd> terminals;
    while (static_cast<int>(terminals.size()) < wanted) {
        UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (!terminal)
            break;
        terminals.push_back(std::move(terminal));
    }
    return static_cast<int>(terminals.size());
}

ESCAPE(Terminals, "exhaustion", "pseudo-terminals, of which the machine has one pool",
       "devpts: max=256 each") {
    constexpr int kMany = 300;
    EXPECT_EQ(open_terminals(kMany), kMany) << "the control";
    const Outcome outcome = run({}, {"python3", "-c", R"(
import os
kept = []
try:
    while len(kept) < 900:
        kept.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError as error:
    print(len(kept), error.errno)
)"});
    EXPECT_EQ(outcome.out, "256 28\n") << outcome.err;
}

}  // namespace
}  // namespace bulkhead::tests
