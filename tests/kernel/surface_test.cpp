// The kernel's surface: each call succeeds on the host and is refused by its class inside.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

int opened_by(long result) {
    return opened(static_cast<int>(result));
}

// The module loader was reached and found no module: what the host gets for garbage.
int reached(long result) {
    const int error = outcome(result);
    return error == ENOEXEC ? 0 : error;
}

FENCE_TEST(RefusesBpf, "bh_bpf") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_bpf, BH_CLASS_BPF, EPERM}, [] {
        bpf_attr attributes{};
        attributes.map_type = BPF_MAP_TYPE_ARRAY;
        attributes.key_size = 4;
        attributes.value_size = 4;
        attributes.max_entries = 1;
        return opened_by(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
    });
}

FENCE_TEST(RefusesOurOwnPinsByName, "bh_bpf") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_bpf, BH_CLASS_BPF, EPERM}, [] {
        const char path[] = "/sys/fs/bpf/bulkhead/maps/bh_envs";
        bpf_attr attributes{};
        attributes.pathname = reinterpret_cast<__u64>(path);
        return opened_by(::syscall(SYS_bpf, BPF_OBJ_GET, &attributes, sizeof attributes));
    });
}

FENCE_TEST(RefusesPerfEvents, "bh_perf") {
    // Debian's perf_event_paranoid asks for SYS_ADMIN before.
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, {BH_HOOK_perf_event_open, BH_CLASS_PERF, EPERM}, [] {
        perf_event_attr event{};
        event.type = PERF_TYPE_SOFTWARE;
        event.size = sizeof event;
        event.config = PERF_COUNT_SW_TASK_CLOCK;
        return opened_by(::syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    });
}

FENCE_TEST(RefusesModulesThatTheKernelWouldLoad, "bh_mod_request") {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    const int error = Actor::run(&mine, [] {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq request{};
        std::strcpy(request.ifr_name, "nosuch0");
        return outcome(::ioctl(fd, SIOCGIFFLAGS, &request));
    });
    EXPECT_EQ(error, ENODEV);
    EXPECT_GT(mine.state().refused[BH_CLASS_MODULES], 0U);
    const bh_refusal row = mine.last_refusal();
    EXPECT_EQ(row.hook, BH_HOOK_kernel_module_request);
    EXPECT_STREQ(row.text[0], "nosuch0");
}

FENCE_TEST(RefusesModulesFromAFile, "bh_read_file") {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    const UniqueFd file(::memfd_create("module", 0));
    const std::array<char, 256> garbage{};
    ASSERT_EQ(::write(file.get(), garbage.data(), garbage.size()), 256);
    expect_refused(mine, {BH_HOOK_kernel_read_file, BH_CLASS_MODULES, EPERM},
                   [&] { return reached(::syscall(SYS_finit_module, file.get(), "", 0)); });
}

FENCE_TEST(RefusesModulesFromMemory, "bh_load_data") {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, {BH_HOOK_kernel_load_data, BH_CLASS_MODULES, EPERM}, [] {
        const std::array<char, 256> garbage{};
        return reached(::syscall(SYS_init_module, garbage.data(), garbage.size(), ""));
    });
}

FENCE_TEST(RefusesIoUring, "bh_uring") {
    const bh_hook hook =
        has_hook("uring_allowed") ? BH_HOOK_uring_allowed : BH_HOOK_inode_init_security_anon;
    BareEnvironment mine("mine");
    expect_refused(mine, {hook, BH_CLASS_IO_URING, EPERM}, [] {
        constexpr std::size_t kParametersBytes = 120;
        std::array<char, kParametersBytes> parameters{};
        return opened_by(::syscall(SYS_io_uring_setup, 4, parameters.data()));
    });
}

FENCE_TEST(RefusesUserfaultfd, "bh_anon_inode") {
    constexpr int kUserModeOnly = 1;
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_inode_init_security_anon, BH_CLASS_USERFAULTFD, EPERM},
                   [] { return opened_by(::syscall(SYS_userfaultfd, kUserModeOnly)); });
}

FENCE_TEST(RefusesUserNamespaces, "bh_userns") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_userns_create, BH_CLASS_USER_NAMESPACES, EPERM},
                   [] { return outcome(::unshare(CLONE_NEWUSER)); });
}

FENCE_TEST(RefusesTheKernelLog, "bh_syslog") {
    constexpr int kSizeOfBuffer = 10;
    BareEnvironment mine("mine");
    std::ofstream("/proc/sys/kernel/dmesg_restrict") << 0;
    expect_refused(mine, {BH_HOOK_syslog, BH_CLASS_SYSLOG, EPERM},
                   [] { return outcome(::klogctl(kSizeOfBuffer, nullptr, 0)); });
    std::ofstream("/proc/sys/kernel/dmesg_restrict") << 1;
}

FENCE_TEST(RefusesTheClock, "bh_capable") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_CLOCK, EPERM}, [] {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        return outcome(::clock_settime(CLOCK_REALTIME, &now));
    });
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_CLOCK, EPERM}, [] {
        timex adjust{};
        adjust.modes = ADJ_MAXERROR;
        adjust.maxerror = 16000000;
        return outcome(::adjtimex(&adjust));
    });
}

FENCE_TEST(RefusesNamespacesAndTheMountCallsWithoutAHook, "bh_capable") {
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_CAPABILITIES, EPERM},
                   [] { return outcome(::unshare(CLONE_NEWNS)); });
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_CAPABILITIES, EPERM},
                   [] { return opened_by(::syscall(SYS_fsopen, "tmpfs", 0)); });
    expect_refused(mine, {BH_HOOK_capable, BH_CLASS_CAPABILITIES, EPERM}, [] {
        constexpr unsigned kClone = 1;
        return opened_by(::syscall(SYS_open_tree, AT_FDCWD, "/run", kClone));
    });
}

TEST(Fence, LeavesOrdinaryCapabilitiesAlone) {
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine, [] { return outcome(::setgid(12)) | outcome(::setuid(12)); }), 0);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
