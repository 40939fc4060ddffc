#include "runtime/child.h"

#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "runtime/mounts.h"
#include "runtime/payload.h"

namespace bulkhead::runtime {
namespace {

constexpr unsigned kHarmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr int kExitFailed = 125;

std::array<int, 3> standard_descriptors(const Stdio& stdio) {
    return {stdio.input >= 0 ? stdio.input : STDIN_FILENO,
            stdio.output >= 0 ? stdio.output : STDOUT_FILENO,
            stdio.error >= 0 ? stdio.error : STDERR_FILENO};
}

// One report of a failed step, then the end. What was made goes with the namespaces.
class Child {
public:
    Child(const EnvironmentSpec& spec, const Channel& channel) : spec_(spec), channel_(channel) {}

    void become_root() {
        check(
            ::setgroups(0, nullptr) == 0 && ::setresgid(0, 0, 0) == 0 && ::setresuid(0, 0, 0) == 0,
            Step::kBecomeRoot);
    }

    // After the clone, not with it: the namespace's root is the caller's cgroup at that moment.
    void make_cgroup_namespace() { check(::unshare(CLONE_NEWCGROUP) == 0, Step::kCgroupNamespace); }

    void mount_kernel_file_systems() {
        const UniqueFd root(::open(kStage, O_PATH | O_DIRECTORY | O_CLOEXEC));
        check(static_cast<bool>(root), Step::kEnterRoot);
        mount_on(root.get(), "proc", "/proc", kHarmless, 0, Step::kMountProc);
        if (!spec_.policy.rules.gives_sysctls())
            make_sysctls_read_only(root.get());
        // A sysfs shows one network namespace; without an own one the starter bound the host's.
        if (spec_.network == NetworkKind::kNone)
            mount_on(root.get(), "sysfs", "/sys", kHarmless | MOUNT_ATTR_RDONLY, 0,
                     Step::kMountSys);
        mount_cgroups(root.get());
        mount_on(root.get(), "mqueue", "/dev/mqueue", kHarmless, 0, Step::kMountQueue);
    }

    // The old root, and with it every mount of the host, is gone afterwards. pivot_root(2) stacks
    // it on the new one; "." must be the old one for umount2(2) to take that.
    void enter_root() {
        const UniqueFd old_root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
        check(old_root && ::chdir(kStage) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
                  ::fchdir(old_root.get()) == 0 && ::umount2(".", MNT_DETACH) == 0 &&
                  ::chdir("/") == 0,
              Step::kEnterRoot);
    }

    void set_hostname() {
        const std::string& name = spec_.hostname.empty() ? spec_.name : spec_.hostname;
        check(::sethostname(name.data(), name.size()) == 0, Step::kHostname);
    }

    void bring_up_loopback() {
        if (spec_.network == NetworkKind::kHost)
            return;
        const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        check(socket && ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0, Step::kLoopback);
    }

    void install_standard_descriptors(const Stdio& stdio) {
        ::setsid();
        if (spec_.process.terminal == TerminalKind::kTerminal)
            check(install_terminal("/dev/pts/0"), Step::kTerminal);
        install_stdio(stdio, channel_.fd());
    }

    void drop_capabilities() {
        check(drop_bounding_set(capabilities_of(spec_.policy.rules)), Step::kCapabilities);
    }

    void wait_for_label() {
        channel_.send(report_);
        wait_go();
    }

    void wait_go() {
        if (!channel_.wait_go())
            ::_exit(kExitFailed);
    }

    [[noreturn]] void become() {
        const Report failed = become_payload(spec_.process, capabilities_of(spec_.policy.rules),
                                             spec_.hostname.empty() ? spec_.name : spec_.hostname);
        channel_.send(failed);
        ::_exit(exit_code_of(failed));
    }

private:
    void check(bool done, Step step) {
        if (done)
            return;
        report_.step = step;
        report_.error = errno;
        channel_.send(report_);
        ::_exit(kExitFailed);
    }

    void mount_on(int root, const char* type, const char* path, unsigned attributes,
                  std::uint32_t device_flags, Step step) {
        auto mount = new_mount(type, {}, attributes);
        if (!mount)
            errno = mount.error().code();
        check(mount.has_value(), step);
        const auto attached = attach(mount->get(), root, path, TargetKind::kDirectory);
        if (!attached)
            errno = attached.error().code();
        check(attached.has_value(), step);
        errno = EMFILE;
        check(report_.add({super_block_of(mount->get()), device_flags}), step);
    }

    void mount_cgroups(int root) {
        const bool writable = spec_.policy.rules.gives_cgroups();
        mount_on(root, "cgroup2", "/sys/fs/cgroup",
                 kHarmless | (writable ? 0U : unsigned{MOUNT_ATTR_RDONLY}),
                 BH_DEVICE_SHARED | (writable ? 0U : unsigned{BH_DEVICE_READ_ONLY}),
                 Step::kMountCgroup);
    }

    void make_sysctls_read_only(int root) {
        auto sysctls = open_inside(root, "/proc/sys", O_PATH | O_DIRECTORY);
        check(sysctls.has_value(), Step::kMountProc);
        auto copy = clone_mount(sysctls->get(), "", CloneDepth::kOne, MOUNT_ATTR_RDONLY);
        check(copy && attach_on(copy->get(), sysctls->get(), "/proc/sys"), Step::kMountProc);
    }

    const EnvironmentSpec& spec_;
    const Channel& channel_;
    Report report_;
};

}  // namespace

void run_child(const EnvironmentSpec& spec, const Channel& channel, const Stdio& stdio) {
    Child child(spec, channel);
    child.wait_go();
    child.become_root();
    child.make_cgroup_namespace();
    child.mount_kernel_file_systems();
    child.enter_root();
    child.set_hostname();
    child.bring_up_loopback();
    child.install_standard_descriptors(stdio);
    child.drop_capabilities();
    child.wait_for_label();
    child.become();
}

void give_pipes(const Stdio& stdio, uid_t owner) {
    for (const int fd : standard_descriptors(stdio)) {
        struct stat info {};
        // A file or a terminal may still be somebody's on the host; an anonymous pipe is not.
        const bool ours = ::fstat(fd, &info) == 0 &&
                          (S_ISFIFO(info.st_mode) || stdio.output_kind == OutputKind::kStateFile);
        if (ours && !S_ISCHR(info.st_mode))
            (void)!::fchown(fd, owner, owner);
    }
}

std::array<bh_inode, 3> inodes_of(const Stdio& stdio) {
    std::array<bh_inode, 3> inodes{};
    std::size_t count = 0;
    for (const int fd : standard_descriptors(stdio)) {
        struct stat info {};
        if (::fstat(fd, &info) == 0)
            inodes[count++] = {info.st_ino, super_block_of(fd), 0};
    }
    return inodes;
}

void install_stdio(const Stdio& stdio, int keep) {
    const int wanted[] = {stdio.input, stdio.output, stdio.error};
    for (int target = 0; target < 3; ++target) {
        if (wanted[target] >= 0)
            ::dup2(wanted[target], target);
    }
    const auto kept = static_cast<unsigned>(keep);
    if (kept > 3)
        ::close_range(3, kept - 1, 0);
    ::close_range(kept + 1, ~0U, 0);
}

bool install_terminal(const char* path) {
    const int terminal = ::open(path, O_RDWR);
    if (terminal < 0 || ::ioctl(terminal, TIOCSCTTY, 0) != 0)
        return false;
    for (int target = 0; target < 3; ++target)
        ::dup2(terminal, target);
    return true;
}

std::uint32_t super_block_of(int fd) {
    // st_dev is the super block's number for every file system that is used here. btrfs reports
    // one of its own for each subvolume, so there /proc knows better.
    struct stat info {};
    if (::fstat(fd, &info) != 0)
        return 0;
    return static_cast<std::uint32_t>(major(info.st_dev) << 20 | minor(info.st_dev));
}

}  // namespace bulkhead::runtime
