// The kernel's surface: code loaded into it, its own programs, its tracing, its asynchronous calls,
// its clock and its log.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include "loader/pins.h"
#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kModules = "modules and kexec";
constexpr const char* kPrograms = "bpf and tracing";
constexpr const char* kAsynchronous = "asynchronous calls";
constexpr const char* kMachine = "the machine's settings";
constexpr const char* kUserLock = "user namespace";
constexpr const char* kLeakLock = "none once it leaked in; the start closes all descriptors";

int system_call(long number, auto... arguments) {
    return static_cast<int>(::syscall(number, arguments...));
}

// The loader was reached and liked nothing about garbage.
int reached(long result) {
    const int error = outcome(result);
    return error == ENOEXEC || error == EBADMSG || error == EINVAL ? 0 : error;
}

UniqueFd garbage() {
    const std::array<char, 256> bytes{};
    UniqueFd file(::memfd_create("garbage", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), 256);
    return file;
}

ESCAPE(ModuleFromFile, kModules, "finit_module", kUserLock,
       {{BH_HOOK_kernel_read_file, BH_CLASS_MODULES}}) {
    const UniqueFd file = garbage();
    expect_stopped(
        technique,
        {.act = [&] { return reached(system_call(SYS_finit_module, file.get(), "", 0)); },
         .passing = {BH_CLASS_CAPABILITIES}});
}

ESCAPE(ModuleFromMemory, kModules, "init_module", kUserLock,
       {{BH_HOOK_kernel_load_data, BH_CLASS_MODULES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       const std::array<char, 256> bytes{};
                                       return reached(system_call(SYS_init_module, bytes.data(),
                                                                  bytes.size(), ""));
                                   },
                               .passing = {BH_CLASS_CAPABILITIES}});
}

ESCAPE(ModuleRemoved, kModules, "delete_module", kUserLock,
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       const int error = outcome(system_call(
                                           SYS_delete_module, "no_such_module", O_NONBLOCK));
                                       return error == ENOENT ? 0 : error;
                                   },
                               .object = "capability 16"});
}

// Each mount, socket and line discipline can name a module that the kernel then loads by itself.
ESCAPE(ModuleAutoloaded, kModules, "a module that the kernel loads by itself", "none",
       {{BH_HOOK_kernel_module_request, BH_CLASS_MODULES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       // The caller learns nothing: looked at from the count of
                                       // requests.
                                       const int error =
                                           outcome(::mount("none", "/run", "nosuchfs", 0, ""));
                                       return error == ENODEV ? 0 : error;
                                   },
                               .error = 0,
                               .object = "fs-nosuchfs",
                               .passing = {BH_CLASS_CAPABILITIES, BH_CLASS_MOUNTS}});
}

ESCAPE(Kexec, kModules, "kexec_file_load", kUserLock,
       {{BH_HOOK_kernel_read_file, BH_CLASS_MODULES}}) {
    const UniqueFd file = garbage();
    expect_stopped(technique, {.act =
                                   [&] {
                                       constexpr int kNoInitramfs = 4;
                                       return reached(system_call(SYS_kexec_file_load, file.get(),
                                                                  -1, 1, "", kNoInitramfs));
                                   },
                               .passing = {BH_CLASS_CAPABILITIES}});
}

int bpf(int command, bpf_attr& attributes) {
    return system_call(SYS_bpf, command, &attributes, sizeof attributes);
}

ESCAPE(BpfLoad, kPrograms, "a BPF program loaded", kUserLock, {{BH_HOOK_bpf, BH_CLASS_BPF}}) {
    expect_stopped(technique, {.act = [] {
                       // r0 = 0; exit
                       std::array<bpf_insn, 2> code{};
                       code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
                       code[1].code = BPF_JMP | BPF_EXIT;
                       bpf_attr attributes{};
                       attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
                       attributes.insns = reinterpret_cast<__u64>(code.data());
                       attributes.insn_cnt = code.size();
                       attributes.license = reinterpret_cast<__u64>("GPL");
                       return opened(bpf(BPF_PROG_LOAD, attributes));
                   }});
}

ESCAPE(BpfMapById, kPrograms, "a map of the fence by its id", kUserLock,
       {{BH_HOOK_bpf, BH_CLASS_BPF}}) {
    expect_stopped(technique, {.act = [] {
                       bpf_attr attributes{};
                       int error = outcome(bpf(BPF_MAP_GET_NEXT_ID, attributes));
                       if (error != 0)
                           return error;
                       attributes.map_id = attributes.next_id;
                       attributes.next_id = 0;
                       return opened(bpf(BPF_MAP_GET_FD_BY_ID, attributes));
                   }});
}

ESCAPE(BpfMapTampered, kPrograms, "a map of the fence written through a leaked descriptor",
       kLeakLock, {{BH_HOOK_bpf, BH_CLASS_BPF}}) {
    const auto map = loader::open_pinned(loader::map_pin("bh_cgroups"));
    ASSERT_TRUE(map.has_value());
    constexpr __u64 kNoCgroup = ~0ULL;
    const auto change = [&](int command) {
        bh_label label{1, 1};
        bpf_attr attributes{};
        attributes.map_fd = static_cast<__u32>(map->get());
        attributes.key = reinterpret_cast<__u64>(&kNoCgroup);
        if (command != BPF_MAP_DELETE_ELEM)
            attributes.value = reinterpret_cast<__u64>(&label);
        return outcome(bpf(command, attributes));
    };
    expect_stopped(technique, {.act = [&] { return change(BPF_MAP_UPDATE_ELEM); },
                               .effect = [&] { return change(BPF_MAP_LOOKUP_ELEM) == 0; },
                               .undo = [&] { change(BPF_MAP_DELETE_ELEM); }});
}

ESCAPE(BpfMapPassed, kPrograms, "a map of the fence received (SCM_RIGHTS, pidfd_getfd)",
       "none once a socket is shared", {{BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS}}) {
    const auto map = loader::open_pinned(loader::map_pin("bh_meta"));
    ASSERT_TRUE(map.has_value());
    expect_stopped(technique,
                   {.act =
                        [&] {
                            const int self = system_call(SYS_pidfd_open, ::getpid(), 0);
                            return opened(system_call(SYS_pidfd_getfd, self, map->get(), 0));
                        },
                    .object = "bpf-map"});
}

ESCAPE(BpfPins, kPrograms, "the pinned links of the fence removed",
       "own root: bpffs is not mounted; user namespace", {{BH_HOOK_path_unlink, BH_CLASS_SELF}}) {
    const UniqueFd leaked(::open("/sys/fs/bpf/bulkhead/links", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string link = "bh_escape";
    const auto pin_again = [&] { ::symlinkat("/", leaked.get(), link.c_str()); };
    pin_again();
    expect_stopped(technique,
                   {.act = [&] { return outcome(::unlinkat(leaked.get(), link.c_str(), 0)); },
                    .object = "links",
                    .effect =
                        [&] {
                            struct stat info {};
                            return ::fstatat(leaked.get(), link.c_str(), &info,
                                             AT_SYMLINK_NOFOLLOW) != 0;
                        },
                    .undo = pin_again});
    ::unlinkat(leaked.get(), link.c_str(), 0);
}

ESCAPE(BpfToken, kPrograms, "BPF_TOKEN_CREATE: the right to bpf() from a mount", kUserLock,
       {{BH_HOOK_bpf, BH_CLASS_BPF}}, "6.12 7.2") {
    constexpr int kTokenCreate = 36;
    const UniqueFd pins(::open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_stopped(technique, {.act = [&] {
                       // No mount gives the right in the first user namespace: it was asked for,
                       // and that said.
                       const std::array<int, 8> attributes{0, pins.get()};
                       const int error = outcome(system_call(SYS_bpf, kTokenCreate,
                                                             attributes.data(), sizeof attributes));
                       return error == EOPNOTSUPP || error == EINVAL || error == ENOENT ? 0 : error;
                   }});
}

ESCAPE(PerfEvents, kPrograms, "perf_event_open: what the machine does",
       "user namespace: CAP_PERFMON of the host", {{BH_HOOK_perf_event_open, BH_CLASS_PERF}}) {
    expect_stopped(technique,
                   {.act =
                        [] {
                            perf_event_attr event{};
                            event.type = PERF_TYPE_SOFTWARE;
                            event.size = sizeof event;
                            event.config = PERF_COUNT_SW_TASK_CLOCK;
                            return opened(system_call(SYS_perf_event_open, &event, -1, 0, -1, 0));
                        },
                    .passing = {BH_CLASS_CAPABILITIES}});
}

ESCAPE(KprobeEvents, kPrograms, "a kprobe through tracefs",
       "own root: tracefs is not mounted; user namespace",
       {{BH_HOOK_file_open, BH_CLASS_KERNEL_FILES}}) {
    const std::string events = "/sys/kernel/tracing/kprobe_events";
    const auto probes = [&] {
        std::string line;
        std::getline(std::ifstream(events), line);
        return !line.empty();
    };
    const auto write = [&](const std::string& text) {
        const UniqueFd file(::open(events.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
        return file ? outcome(::write(file.get(), text.data(), text.size())) : errno;
    };
    expect_stopped(technique, {.act = [&] { return write("p:escape do_exit\n"); },
                               .object = "kprobe_events",
                               .effect = probes,
                               .undo = [&] { write("-:escape\n"); }});
}

// As the kernel fills it: 120 bytes.
int make_ring() {
    std::array<char, 120> parameters{};
    return system_call(SYS_io_uring_setup, 4, parameters.data());
}

ESCAPE(IoUring, kAsynchronous, "io_uring: a ring made", "none",
       {{BH_HOOK_uring_allowed, BH_CLASS_IO_URING},
        {BH_HOOK_inode_init_security_anon, BH_CLASS_IO_URING}}) {
    expect_stopped(technique, {.act = [] { return opened(make_ring()); }});
}

ESCAPE(IoUringPassed, kAsynchronous, "io_uring: a ring of the host received, its files registered",
       "none once a socket is shared", {{BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS}}) {
    const UniqueFd ring(make_ring());
    ASSERT_TRUE(ring) << errno;
    constexpr int kRegisterFiles = 2;
    const UniqueFd secret(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    const int file = secret.get();
    ASSERT_EQ(system_call(SYS_io_uring_register, ring.get(), kRegisterFiles, &file, 1), 0);
    expect_stopped(technique,
                   {.act =
                        [&] {
                            const int self = system_call(SYS_pidfd_open, ::getpid(), 0);
                            return opened(system_call(SYS_pidfd_getfd, self, ring.get(), 0));
                        },
                    .object = "[io_uring]"});
}

ESCAPE(Userfaultfd, kAsynchronous, "userfaultfd: the kernel held in the middle of a copy", "none",
       {{BH_HOOK_inode_init_security_anon, BH_CLASS_USERFAULTFD}}) {
    constexpr int kUserModeOnly = 1;
    expect_stopped(technique,
                   {.act = [] { return opened(system_call(SYS_userfaultfd, kUserModeOnly)); },
                    .object = "[userfaultfd]"});
}

ESCAPE(Fuse, kAsynchronous, "/dev/fuse and /dev/userfaultfd through nodes in the image",
       "nodev mounts, an own /dev; user namespace", {{BH_HOOK_file_open, BH_CLASS_DEVICES}}) {
    ASSERT_EQ(::system("modprobe -q fuse"), 0);
    const Tmpfs own;
    BareEnvironment mine("mine");
    mine.own(own.path());
    for (const char* name : {"fuse", "userfaultfd"}) {
        struct stat device {};
        ASSERT_EQ(::stat((std::string("/dev/") + name).c_str(), &device), 0) << name;
        const std::string node = own.at(name);
        ASSERT_EQ(::mknod(node.c_str(), S_IFCHR | 0666, device.st_rdev), 0);
        expect_stopped(
            technique, mine,
            {.act = [&] { return opened(::open(node.c_str(), O_RDWR)); }, .object = name});
    }
}

ESCAPE(Clock, kMachine, "the clock set", "user namespace: CAP_SYS_TIME of the host",
       {{BH_HOOK_capable, BH_CLASS_CLOCK}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       timespec now{};
                                       ::clock_gettime(CLOCK_REALTIME, &now);
                                       return outcome(::clock_settime(CLOCK_REALTIME, &now));
                                   },
                               .object = "capability 25"});
}

ESCAPE(ClockAdjusted, kMachine, "the clock's speed adjusted",
       "user namespace: CAP_SYS_TIME of the host", {{BH_HOOK_capable, BH_CLASS_CLOCK}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       timex change{};
                                       change.modes = ADJ_MAXERROR;
                                       change.maxerror = 16'000'000;
                                       return outcome(::adjtimex(&change));
                                   },
                               .object = "capability 25"});
}

ESCAPE(Log, kMachine, "the kernel's log read: addresses, other tenants' lines",
       "user namespace: CAP_SYSLOG of the host", {{BH_HOOK_syslog, BH_CLASS_SYSLOG}}) {
    constexpr int kReadAll = 3;
    std::ofstream("/proc/sys/kernel/dmesg_restrict") << 0;
    expect_stopped(technique,
                   {.act =
                        [] {
                            std::array<char, 64> text{};
                            return outcome(::klogctl(kReadAll, text.data(), text.size()));
                        },
                    .object = "3"});
    std::ofstream("/proc/sys/kernel/dmesg_restrict") << 1;
}

ESCAPE(Accounting, kMachine, "acct: every process of the machine written to a file",
       "user namespace: CAP_SYS_PACCT of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act = [] { return outcome(::syscall(SYS_acct, nullptr)); },
                               .object = "capability 20"});
}

ESCAPE(Ports, kMachine, "iopl and ioperm: the machine's I/O ports",
       "user namespace: CAP_SYS_RAWIO of the host", {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act = [] { return outcome(::syscall(SYS_iopl, 3)); },
                               .object = "capability 17"});
}

ESCAPE(Reboot, kMachine, "reboot: what Ctrl-Alt-Del does", "PID and user namespace",
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       constexpr unsigned kFirst = 0xfee1dead;
                                       constexpr unsigned kSecond = 672274793;
                                       constexpr unsigned kCadOff = 0;
                                       return outcome(::syscall(SYS_reboot, kFirst, kSecond,
                                                                kCadOff, nullptr));
                                   },
                               .object = "capability 22"});
}

}  // namespace
}  // namespace bulkhead::tests
