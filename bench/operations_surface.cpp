// Calls that few programs make. Where the real act would change the guest, the call is one that
// fails behind the hook.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "bench/operations.h"

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

Act mount_change() {
    return [] { ::mount(nullptr, "/", nullptr, MS_PRIVATE, nullptr); };
}

Act remount() {
    return [] { ::mount(nullptr, "/", nullptr, MS_REMOUNT, nullptr); };
}

// In a mount namespace of its own: where unmounting is refused, every act leaves a mount behind,
// which whatever looks up /tmp later would have to cross.
Act mount_umount() {
    ::unshare(CLONE_NEWNS);
    return [] {
        ::mount("/tmp", "/tmp", nullptr, MS_BIND, nullptr);
        ::umount2("/tmp", MNT_DETACH);
    };
}

// The root cannot be its own new root.
Act pivot_root() {
    return [] { ::syscall(SYS_pivot_root, "/tmp", "/tmp"); };
}

// A directory that is no mount cannot be moved.
Act move_mount() {
    return [] { ::syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/run", 0); };
}

Act bpf_call() {
    return [] {
        bpf_attr attributes{};
        attributes.map_fd = static_cast<unsigned>(-1);
        ::syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof attributes);
    };
}

Act perf_event() {
    return [] {
        perf_event_attr attributes{};
        attributes.size = sizeof attributes;
        attributes.type = PERF_TYPE_SOFTWARE;
        attributes.config = PERF_COUNT_SW_DUMMY;
        ::close(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0)));
    };
}

Act finit_module() {
    const int out = ::open("/tmp/module", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)!::write(out, "no module", 9);
    ::close(out);
    const int fd = ::open("/tmp/module", O_RDONLY | O_CLOEXEC);
    return [fd] { ::syscall(SYS_finit_module, fd, "", 0); };
}

Act init_module() {
    return [] {
        static const std::array<char, 128> kNoModule{};
        ::syscall(SYS_init_module, kNoModule.data(), kNoModule.size(), "");
    };
}

Act userfaultfd() {
    return [] {
        ::close(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY)));
    };
}

// Sets the time zone to what it is.
Act settime() {
    return [] {
        const struct timezone same {};
        ::settimeofday(nullptr, &same);
    };
}

Act syslog() {
    constexpr int kSizeOfBuffer = 10;
    return [] { ::klogctl(kSizeOfBuffer, nullptr, 0); };
}

// The length is looked at after the capability.
Act capability_check() {
    return [] { ::syscall(SYS_sethostname, nullptr, INT_MAX); };
}

}  // namespace

std::span<const Operation> surface_operations() {
    static constexpr std::array kOperations = {
        Operation{"mount_change", 50, mount_change},
        Operation{"remount", 50, remount},
        Operation{"mount_umount", 20, mount_umount, Frees::kLater},
        Operation{"pivot_root", 50, pivot_root},
        Operation{"move_mount", 50, move_mount},
        Operation{"bpf_call", 100, bpf_call},
        Operation{"perf_event", 20, perf_event, Frees::kLater},
        Operation{"finit_module", 20, finit_module, Frees::kLater},
        Operation{"init_module", 20, init_module, Frees::kLater},
        Operation{"userfaultfd", 30, userfaultfd},
        Operation{"settime", 100, settime},
        Operation{"syslog", 100, syslog},
        Operation{"capability_check", 100, capability_check},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
