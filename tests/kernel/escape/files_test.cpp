// Files of the host through what leaked in or was left reachable: directories, handles, device
// nodes, the runtime's own program.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "files and devices";
constexpr const char* kLeakLock = "none once it leaked in; the start closes all descriptors";
constexpr const char* kDeviceLock = "user namespace; nodev mounts, an own /dev";

// A directory of the host whose descriptor leaked in.
class Leak {
public:
    Leak() { directory_.write("secret"); }
    [[nodiscard]] int fd() const { return directory_.directory(); }
    [[nodiscard]] const Tmpfs& directory() const { return directory_; }

private:
    Tmpfs directory_;
};

ESCAPE(LeakedDirectory, kGroup, "openat in a leaked directory", kLeakLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Leak leak;
    expect_stopped(technique,
                   {.act = [&] { return opened(::openat(leak.fd(), "secret", O_RDONLY)); },
                    .object = "secret"});
}

ESCAPE(LeakedWorkingDirectory, kGroup, "a leaked working directory (CVE-2024-21626)", kLeakLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       // What the process inherits of a runtime that leaks it.
                                       if (::chdir("/usr/share") != 0)
                                           return errno;
                                       return opened(::open("../../etc/passwd", O_RDONLY));
                                   },
                               .object = "passwd"});
}

ESCAPE(ReopenedPath, kGroup, "an O_PATH descriptor opened again through /proc/self/fd", kLeakLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Leak leak;
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(
        technique, mine,
        {.act =
             [&] {
                 const int path = ::openat(leak.fd(), "secret", O_PATH);
                 if (path < 0)
                     return errno;
                 return opened(::open(("/proc/self/fd/" + std::to_string(path)).c_str(), O_RDWR));
             },
         .object = "secret"});
}

ESCAPE(FileMade, kGroup, "a file made in a leaked directory", kLeakLock,
       {{BH_HOOK_path_mknod, BH_CLASS_FILES}}) {
    const Leak leak;
    expect_stopped(
        technique,
        {.act = [&] { return opened(::openat(leak.fd(), "new", O_CREAT | O_WRONLY, 0600)); },
         .effect = [&] { return leak.directory().has("new"); },
         .undo = [&] { ::unlinkat(leak.fd(), "new", 0); }});
}

ESCAPE(FileReplaced, kGroup, "a file of a leaked directory renamed away", kLeakLock,
       {{BH_HOOK_path_rename, BH_CLASS_FILES}}) {
    const Leak leak;
    expect_stopped(technique,
                   {.act = [&] { return outcome(::renameat(leak.fd(), "secret", leak.fd(), "x")); },
                    .effect = [&] { return leak.directory().has("x"); },
                    .undo = [&] { ::renameat(leak.fd(), "x", leak.fd(), "secret"); }});
}

PROVES(Escape, Watch, "bh_notify");
ESCAPE(Watch, kGroup, "inotify on a leaked directory: names of what others do", kLeakLock,
       {{BH_HOOK_path_notify, BH_CLASS_FILES}}) {
    const Leak leak;
    expect_stopped(
        technique,
        {.act =
             [&] {
                 const std::string path = "/proc/self/fd/" + std::to_string(leak.fd());
                 return outcome(::inotify_add_watch(::inotify_init(), path.c_str(), IN_ALL_EVENTS));
             },
         .object = "(device"});
}

PROVES(Escape, ReadLink, "bh_readlink");
ESCAPE(ReadLink, kGroup, "readlink in a leaked directory", kLeakLock,
       {{BH_HOOK_inode_readlink, BH_CLASS_FILES}}) {
    const Leak leak;
    ASSERT_EQ(::symlinkat("/secret/place", leak.fd(), "link"), 0);
    expect_stopped(technique,
                   {.act =
                        [&] {
                            std::array<char, 64> to{};
                            return outcome(::readlinkat(leak.fd(), "link", to.data(), to.size()));
                        },
                    .object = "link"});
}

PROVES(Escape, ExtendedAttributes, "bh_getxattr", "bh_listxattr");
ESCAPE(ExtendedAttributes, kGroup, "extended attributes read in a leaked directory", kLeakLock,
       {{BH_HOOK_inode_getxattr, BH_CLASS_FILES}}) {
    const Leak leak;
    const std::string file = leak.directory().at("secret");
    ASSERT_EQ(::setxattr(file.c_str(), "trusted.password", "v", 1, 0), 0);
    BareEnvironment mine("mine");
    expect_stopped(technique, mine,
                   {.act =
                        [&] {
                            char value = 0;
                            return outcome(::getxattr(file.c_str(), "trusted.password", &value, 1));
                        },
                    .object = "secret",
                    .passing = {BH_CLASS_CAPABILITIES}});
    const auto list = [&] { return outcome(::listxattr(file.c_str(), nullptr, 0)); };
    EXPECT_EQ(Actor::run(nullptr, list), 0);
    EXPECT_EQ(Actor::run(&mine, list), EPERM);
    EXPECT_EQ(mine.last_refusal().hook, BH_HOOK_inode_listxattr);
}

ESCAPE(FileHandle, kGroup, "open_by_handle_at: any inode by number (Shocker)",
       "user namespace: CAP_DAC_READ_SEARCH of the host", {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Leak leak;
    alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> space{};
    auto* handle = reinterpret_cast<file_handle*>(space.data());
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    ASSERT_EQ(::name_to_handle_at(leak.fd(), "secret", handle, &mount, 0), 0) << errno;
    const UniqueFd there(
        ::open(leak.directory().path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_stopped(
        technique,
        {.act = [&] { return opened(::open_by_handle_at(there.get(), handle, O_RDONLY)); },
         .object = "inode"});
}

ESCAPE(DeviceMade, kGroup, "mknod of the host's disk in its own root", kDeviceLock,
       {{BH_HOOK_path_mknod, BH_CLASS_DEVICES}}) {
    const Tmpfs own;
    BareEnvironment mine("mine");
    mine.own(own.path());
    const std::string node = own.at("disk");
    expect_stopped(
        technique, mine,
        {.act = [&] { return outcome(::mknod(node.c_str(), S_IFBLK | 0600, makedev(7, 0))); },
         .object = "disk",
         .effect = [&] { return own.has("disk"); },
         .undo = [&] { ::unlink(node.c_str()); }});
}

ESCAPE(DiskOpened, kGroup, "a block device opened through a node in the image", kDeviceLock,
       {{BH_HOOK_file_open, BH_CLASS_DEVICES}}) {
    const Tmpfs own;
    const std::string node = own.at("disk");
    ASSERT_EQ(::mknod(node.c_str(), S_IFBLK | 0600, makedev(7, 0)), 0);
    BareEnvironment mine("mine");
    mine.own(own.path());
    expect_stopped(
        technique, mine,
        {.act = [&] { return opened(::open(node.c_str(), O_RDONLY)); }, .object = "disk"});
}

ESCAPE(KernelMemory, kGroup, "/dev/mem and /dev/kmsg through nodes in the image", kDeviceLock,
       {{BH_HOOK_file_open, BH_CLASS_DEVICES}}) {
    const Tmpfs own;
    BareEnvironment mine("mine");
    mine.own(own.path());
    mine.allow(BH_CLASS_CAPABILITIES);
    for (const unsigned minor : {1U, 11U}) {
        const std::string node = own.at("node" + std::to_string(minor));
        ASSERT_EQ(::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, minor)), 0);
        expect_stopped(technique, mine,
                       {.act = [&] { return opened(::open(node.c_str(), O_RDWR)); },
                        .object = "node" + std::to_string(minor)});
    }
}

ESCAPE(Kcore, kGroup, "/proc/kcore: the kernel's memory as a file",
       "user namespace: CAP_SYS_RAWIO of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    BareEnvironment mine("mine");
    mine.own("/proc");
    expect_stopped(
        technique, mine,
        {.act = [] { return opened(::open("/proc/kcore", O_RDONLY)); }, .object = "capability 17"});
}

// The interpreter of the payload is the runtime that starts it: the kernel opens it for the
// payload.
ESCAPE(RuntimeExecuted, kGroup, "#!/proc/self/exe: the runtime starts itself (CVE-2019-5736)",
       "user namespace: the program is the host root's", {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    const Tmpfs own;
    const std::string script = own.at("payload");
    std::ofstream(script) << "#!/proc/self/exe\n";
    ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
    BareEnvironment mine("mine");
    mine.own(own.path());
    mine.own("/proc");
    // These tests are the runtime here; started so, they know no such argument.
    constexpr int kStarted = 2;
    const auto start = [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(STDERR_FILENO);
            ::execl(script.c_str(), script.c_str(), nullptr);
            ::_exit(errno == EPERM ? EPERM : 77);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status) == kStarted ? 0 : WEXITSTATUS(status);
    };
    expect_stopped(technique, mine, {.act = start, .object = "kernel_tests"});
}

ESCAPE(RuntimeOverwritten, kGroup, "/proc/PID/exe of the runtime opened for writing",
       "user namespace: the program is the host root's",
       {{BH_HOOK_ptrace_access_check, BH_CLASS_TRACE}}) {
    const Tmpfs host;
    const std::string program = host.at("runtime");
    ASSERT_TRUE(std::filesystem::copy_file("/bin/sleep", program));
    const Actor runtime(nullptr, [&] {
        const pid_t child = ::fork();
        if (child == 0)
            ::execl(program.c_str(), program.c_str(), "100", nullptr);
    });
    BareEnvironment mine("mine");
    mine.own("/proc");
    const std::string exe = "/proc/" + std::to_string(runtime.pid()) + "/exe";
    expect_stopped(technique, mine,
                   {.act = [&] { return opened(::open(exe.c_str(), O_RDONLY | O_CLOEXEC)); },
                    .error = EACCES,
                    .object = "pid " + std::to_string(runtime.pid())});
}

}  // namespace
}  // namespace bulkhead::tests
