// What has to be there before any program can be loaded: privilege, BTF, the LSM list, bpffs.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>

#include "loader/pins.h"
#include "loader/probe.h"
#include "loader/unique_fd.h"
#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {
namespace {

constexpr std::string_view kGroup = "kernel";

Status try_privilege() {
    std::ifstream status("/proc/self/status");
    constexpr std::string_view kKey = "CapEff:\t";
    std::uint64_t effective = 0;
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(kKey))
            std::from_chars(line.data() + kKey.size(), line.data() + line.size(), effective, 16);
    struct Needed {
        int capability;
        const char* name;
    };
    std::string missing;
    for (const Needed needed : {Needed{CAP_SYS_ADMIN, "SYS_ADMIN"}, Needed{CAP_BPF, "BPF"},
                                Needed{CAP_PERFMON, "PERFMON"}, Needed{CAP_NET_ADMIN, "NET_ADMIN"},
                                Needed{CAP_SYS_PTRACE, "SYS_PTRACE"}, Needed{CAP_SETUID, "SETUID"}})
        if (((effective >> needed.capability) & 1) == 0)
            missing += std::string(missing.empty() ? "" : ", ") + "CAP_" + needed.name;
    if (missing.empty())
        return {};
    return fail(Error(0, "missing " + missing));
}

// securityfs need not be mounted: a detached mount of it is read and dropped.
Result<UniqueFd> open_lsm_list() {
    UniqueFd list(::open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC));
    if (list)
        return list;
    const UniqueFd context(::fsopen("securityfs", FSOPEN_CLOEXEC));
    if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno("open a securityfs to read the LSM list");
    const UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!mount)
        return fail_errno("mount a securityfs to read the LSM list");
    list = UniqueFd(::openat(mount.get(), "lsm", O_RDONLY | O_CLOEXEC));
    if (!list)
        return fail_errno("open the LSM list in securityfs");
    return list;
}

Status try_lsm_list() {
    BULKHEAD_TRY_VALUE(file, open_lsm_list());
    char text[512];
    const ssize_t got = ::read(file.get(), text, sizeof text);
    if (got < 0)
        return fail_errno("read the LSM list");
    const std::string list(text, static_cast<std::size_t>(got));
    if (("," + list + ",").find(",bpf,") != std::string::npos)
        return {};
    return fail(
        Error(0, "bpf is not among the kernel's LSMs: " + list)
            .advise("add bpf to the lsm= kernel parameter: lsm=" + list + ",bpf; now: " + list));
}

Status try_bpffs() {
    BULKHEAD_TRY(loader::check_bpffs());
    // bpffs refuses names with a dot.
    const std::string trial =
        std::string(loader::kBpffs) + "/bulkhead-doctor-" + std::to_string(::getpid());
    if (::mkdir(trial.c_str(), 0700) != 0)
        return fail_errno("make a directory in " + std::string(loader::kBpffs));
    ::rmdir(trial.c_str());
    return {};
}

}  // namespace

Checks check_kernel() {
    return {
        conclude(kGroup,
                 {"privilege", Need::kRequired, "root with the capabilities that are needed",
                  "run it as root: sudo bulkhead doctor"},
                 try_privilege()),
        conclude(kGroup,
                 {"btf", Need::kRequired, "/sys/kernel/btf/vmlinux was read",
                  "use a kernel built with CONFIG_DEBUG_INFO_BTF"},
                 loader::probe_btf()),
        conclude(kGroup,
                 {"bpf-lsm", Need::kRequired, "bpf is among the kernel's LSMs",
                  "mount -t securityfs none /sys/kernel/security, as root"},
                 try_lsm_list()),
        conclude(kGroup,
                 {"bpffs", Need::kRequired, "a directory was made in /sys/fs/bpf",
                  "mount -t bpf bpf /sys/fs/bpf"},
                 try_bpffs()),
    };
}

}  // namespace bulkhead::runtime
