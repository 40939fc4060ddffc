#include "runtime/root.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "loader/beancounters.h"
#include "runtime/child.h"
#include "runtime/mounts.h"
#include "runtime/payload.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

constexpr gid_t kTtyGroup = 5;
constexpr const char* kBeancountersPath = "/run/user_beancounters";
// The machine has one pool of pseudo-terminals (kernel.pty.max, 4096), 1024 of them for the host.
constexpr const char* kTerminals = "256";

struct Device {
    const char* name;
    unsigned minor;
};
// All have major 1 but tty, and none reaches anything.
constexpr std::array kMemoryDevices = {Device{"null", 3}, Device{"zero", 5}, Device{"full", 7},
                                       Device{"random", 8}, Device{"urandom", 9}};

struct Link {
    const char* name;
    const char* target;
};
constexpr std::array kLinks = {Link{"fd", "/proc/self/fd"}, Link{"stdin", "/proc/self/fd/0"},
                               Link{"stdout", "/proc/self/fd/1"}, Link{"stderr", "/proc/self/fd/2"},
                               Link{"ptmx", "pts/ptmx"}};

struct Place {
    const char* directory;  // in the scratch file system
    const char* path;       // inside
    mode_t mode;
    unsigned attributes;
};
constexpr std::array kPlaces = {
    Place{"dev", "/dev", 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
    Place{"shm", "/dev/shm", 01777, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV},
    Place{"tmp", "/tmp", 01777, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV},
    Place{"run", "/run", 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV},
};

// The caller's mount namespace and working directory, entered again at the end of its life.
class MountNamespaceVisit {
public:
    static Result<MountNamespaceVisit> enter(int mount_namespace) {
        MountNamespaceVisit visit;
        visit.home_.reset(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
        visit.directory_.reset(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!visit.home_ || ::setns(mount_namespace, CLONE_NEWNS) != 0)
            return fail_errno("enter the new mount namespace");
        return visit;
    }
    MountNamespaceVisit(MountNamespaceVisit&&) noexcept = default;
    MountNamespaceVisit& operator=(MountNamespaceVisit&&) = delete;
    ~MountNamespaceVisit() {
        if (home_ && ::setns(home_.get(), CLONE_NEWNS) == 0 && directory_)
            (void)!::fchdir(directory_.get());
    }

private:
    MountNamespaceVisit() = default;
    UniqueFd home_;
    UniqueFd directory_;
};

class RootBuilder {
public:
    RootBuilder(const EnvironmentSpec& spec, const RootSources& sources, const RootOwner& owner)
        : spec_(spec), sources_(sources), owner_(owner) {}

    Result<BuiltRoot> build() {
        BULKHEAD_TRY(make_scratch());
        BULKHEAD_TRY(mount_root());
        BULKHEAD_TRY(mount_places());
        BULKHEAD_TRY(mount_terminals());
        BULKHEAD_TRY(mount_extra());
        return std::move(built_);
    }

private:
    // One file system for everything of the environment's own that is in memory: the writable
    // layer, /dev, /dev/shm, /tmp and /run. Made by the host's root, so that device nodes can be
    // made on it and overlayfs can keep its attributes there.
    Status make_scratch() {
        auto scratch = new_mount("tmpfs", {{"mode", "0755"}}, MOUNT_ATTR_NOSUID);
        if (!scratch)
            return fail(std::move(scratch).error());
        scratch_ = std::move(*scratch);
        BULKHEAD_TRY(stage(scratch_.get()));
        for (const Place& place : kPlaces)
            BULKHEAD_TRY(make_directory(scratch_.get(), place.directory, place.mode));
        return fill_dev();
    }

    Status fill_dev() {
        const UniqueFd dev(::openat(scratch_.get(), "dev", O_PATH | O_DIRECTORY | O_CLOEXEC));
        for (const Device& device : kMemoryDevices)
            BULKHEAD_TRY(
                make_node(dev.get(), device.name, S_IFCHR | 0666, makedev(1, device.minor)));
        BULKHEAD_TRY(make_node(dev.get(), "tty", S_IFCHR | 0666, makedev(5, 0)));
        for (const loader::DeviceNode& device : spec_.policy.rules.devices)
            BULKHEAD_TRY(make_allowed(dev.get(), device));
        const FileOwner made_by(owner_.uid_base);
        for (const Link& link : kLinks) {
            if (::symlinkat(link.target, dev.get(), link.name) != 0)
                return fail_errno(std::string("link /dev/") + link.name);
        }
        for (const char* directory : {"pts", "shm", "mqueue"}) {
            if (::mkdirat(dev.get(), directory, 0755) != 0)
                return fail_errno(std::string("make the directory /dev/") + directory);
        }
        return {};
    }

    // The node that the policy names, with the mode that it has on the machine.
    Status make_allowed(int dev, const loader::DeviceNode& device) {
        const std::string name = device.path.substr(std::string_view("/dev/").size());
        for (std::size_t end = name.find('/'); end != std::string::npos;
             end = name.find('/', end + 1))
            BULKHEAD_TRY(make_directory(dev, name.substr(0, end).c_str(), 0755));
        return make_node(dev, name.c_str(), device.mode, device.device);
    }

    Status mount_root() {
        if (const auto mapped = map_ids(sources_.lower.get(), owner_.user_namespace); !mapped)
            BULKHEAD_TRY(tolerate_unmapped(mapped.error(), spec_.root.path));
        if (spec_.root.kind == RootKind::kRootfs) {
            BULKHEAD_TRY(stage(sources_.lower.get()));
            BULKHEAD_TRY(use(sources_.lower.get(), BH_DEVICE_SHARED));
        } else {
            BULKHEAD_TRY(mount_overlay());
        }
        root_.reset(::open(kStage, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!root_)
            return fail_errno("open the new root");
        return use(scratch_.get(), 0);
    }

    // Layers must be attached in the caller's mount namespace when the overlay is made, so they
    // are stacked on the stage; the overlay comes on top and pivot_root drops what is below.
    Status mount_overlay() {
        BULKHEAD_TRY(stage(sources_.lower.get()));
        int layer = scratch_.get();
        if (sources_.kept) {
            BULKHEAD_TRY(stage(sources_.kept.get()));
            layer = sources_.kept.get();
        }
        BULKHEAD_TRY(make_directory(layer, "upper", 0755));
        BULKHEAD_TRY(make_directory(layer, "work", 0755));
        const UniqueFd upper(::openat(layer, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        BULKHEAD_TRY(apply_mask(sources_.mask, upper.get(), owner_.uid_base));
        auto overlay = new_mount("overlay",
                                 {{"lowerdir", descriptor_path(sources_.lower.get())},
                                  {"upperdir", descriptor_path(layer) + "/upper"},
                                  {"workdir", descriptor_path(layer) + "/work"},
                                  {"xino", "off"},
                                  {"source", "bulkhead"}},
                                 MOUNT_ATTR_NODEV);
        if (!overlay)
            return fail(std::move(overlay).error());
        BULKHEAD_TRY(stage(overlay->get()));
        return use(overlay->get(), 0);
    }

    Status mount_places() {
        for (const Place& place : kPlaces)
            BULKHEAD_TRY(bind_scratch(place.directory, place.path, place.attributes));
        return {};
    }

    Status bind_scratch(const std::string& directory, const std::string& path,
                        unsigned attributes) {
        auto copy = clone_mount(scratch_.get(), directory, CloneDepth::kOne, attributes);
        if (!copy)
            return fail(std::move(copy).error());
        return attach_inside(copy->get(), path, TargetKind::kDirectory);
    }

    Status mount_terminals() {
        auto terminals = new_mount("devpts",
                                   {{"uid", std::to_string(owner_.uid_base)},
                                    {"gid", std::to_string(owner_.uid_base + kTtyGroup)},
                                    {"max", kTerminals},
                                    {"mode", "0620"},
                                    {"ptmxmode", "0666"}},
                                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (!terminals)
            return fail(std::move(terminals).error());
        BULKHEAD_TRY(attach_inside(terminals->get(), "/dev/pts", TargetKind::kDirectory));
        BULKHEAD_TRY(use(terminals->get(), 0));
        return spec_.process.terminal == TerminalKind::kTerminal ? open_terminal(terminals->get())
                                                                 : Status{};
    }

    Status open_terminal(int terminals) {
        built_.terminal.reset(::openat(terminals, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
        int unlocked = 0;
        if (!built_.terminal || ::ioctl(built_.terminal.get(), TIOCSPTLCK, &unlocked) != 0)
            return fail_errno("open a terminal");
        if (::fchownat(terminals, "0", owner_.uid_base, owner_.uid_base + kTtyGroup, 0) != 0)
            return fail_errno("own the terminal");
        return {};
    }

    Status mount_extra() {
        if (sources_.host_sys) {
            BULKHEAD_TRY(attach_inside(sources_.host_sys.get(), "/sys", TargetKind::kDirectory));
            BULKHEAD_TRY(use(sources_.host_sys.get(), BH_DEVICE_SHARED | BH_DEVICE_READ_ONLY));
        }
        // Its super block, where the kernel's programs are pinned, is not the environment's.
        if (sources_.beancounters)
            BULKHEAD_TRY(
                attach_inside(sources_.beancounters.get(), kBeancountersPath, TargetKind::kFile));
        for (std::size_t i = 0; i < spec_.mounts.size(); ++i)
            BULKHEAD_TRY(mount_bind(spec_.mounts[i], sources_.mounts[i].get()));
        for (std::size_t i = 0; i < spec_.tmpfs.size(); ++i) {
            const std::string directory = "tmpfs" + std::to_string(i);
            BULKHEAD_TRY(make_directory(scratch_.get(), directory.c_str(), 01777));
            BULKHEAD_TRY(
                bind_scratch(directory, spec_.tmpfs[i], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
        }
        return {};
    }

    Status mount_bind(const BindMount& bind, int source) {
        if (const auto mapped = map_ids(source, owner_.user_namespace); !mapped)
            BULKHEAD_TRY(tolerate_unmapped(mapped.error(), bind.source));
        unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        if (bind.access == MountAccess::kReadOnly)
            attributes |= MOUNT_ATTR_RDONLY;
        BULKHEAD_TRY(set_attributes(source, attributes));
        struct stat info {};
        if (::fstat(source, &info) != 0)
            return fail_errno("stat " + bind.source);
        BULKHEAD_TRY(
            attach_inside(source, bind.destination,
                          S_ISDIR(info.st_mode) ? TargetKind::kDirectory : TargetKind::kFile));
        return use_bind(bind, source);
    }

    // Who has SYS_ADMIN inside can make a read-only mount writable; the fence then keeps the whole
    // file system as it was, which has to be what the specification says.
    Status use_bind(const BindMount& bind, int source) {
        const bool may_remount = (capabilities_of(spec_.policy.rules) >> CAP_SYS_ADMIN & 1) != 0;
        std::uint32_t flags = BH_DEVICE_SHARED;
        if (may_remount && bind.access == MountAccess::kReadOnly)
            flags |= BH_DEVICE_READ_ONLY;
        const bh_device* listed = built_.devices.find(super_block_of(source));
        if (may_remount && listed != nullptr && listed->flags != flags)
            return fail(Error(0,
                              "--mount " + bind.source +
                                  ": its file system is in the environment once read-only and once "
                                  "writable, which a policy that keeps sys_admin cannot hold apart",
                              Fault::kUsage)
                            .advise("mount both alike, or take them from two file systems"));
        return use(source, flags);
    }

    // Without mapped ids the environment's root owns nothing of what lies there.
    Status tolerate_unmapped(const Error& error, const std::string& path) {
        if (spec_.strictness == Strictness::kBestEffort)
            return {};
        return fail(Error(error.code(),
                          "the file system of " + path + " cannot be mounted with mapped ids",
                          Fault::kUnsupported)
                        .advise("use a directory on ext4, xfs or btrfs, or --best-effort to go on "
                                "with files that nobody inside owns"));
    }

    Status attach_inside(int mount, const std::string& path, TargetKind kind) {
        return attach(mount, root_.get(), path, kind, owner_.uid_base);
    }

    Status stage(int mount) {
        if (::move_mount(mount, "", AT_FDCWD, kStage, MOVE_MOUNT_F_EMPTY_PATH) != 0)
            return fail_errno("attach a layer of the root");
        return {};
    }

    Status use(int mount, std::uint32_t flags) {
        if (!built_.devices.add({super_block_of(mount), flags}))
            return fail_usage("the environment uses more than " + std::to_string(BH_MAX_DEVICES) +
                              " file systems: give it fewer mounts");
        return {};
    }

    Status make_directory(int parent, const char* name, mode_t mode) {
        if ((::mkdirat(parent, name, mode) != 0 && errno != EEXIST) ||
            ::fchownat(parent, name, owner_.uid_base, owner_.uid_base, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(std::string("make the directory ") + name);
        return {};
    }

    Status make_node(int parent, const char* name, mode_t mode, dev_t device) {
        if (::mknodat(parent, name, mode, device) != 0 ||
            ::fchownat(parent, name, owner_.uid_base, owner_.uid_base, 0) != 0)
            return fail_errno(std::string("make /dev/") + name);
        return {};
    }

    const EnvironmentSpec& spec_;
    const RootSources& sources_;
    const RootOwner& owner_;
    UniqueFd scratch_;
    UniqueFd root_;
    BuiltRoot built_;
};

Result<UniqueFd> open_lower(const EnvironmentSpec& spec) {
    const bool host = spec.root.kind == RootKind::kTemplate && spec.root.path == kHostTemplate;
    const std::string path = host ? "/" : spec.root.path;
    const bool used_as_it_is = spec.root.kind == RootKind::kRootfs;
    auto lower =
        clone_mount(AT_FDCWD, path, CloneDepth::kOne, used_as_it_is ? MOUNT_ATTR_NODEV : 0);
    if (!lower)
        return fail(std::move(lower).error().within(used_as_it_is ? "--rootfs" : "--template"));
    struct stat info {};
    if (::fstat(lower->get(), &info) != 0 || !S_ISDIR(info.st_mode))
        return fail(Error(ENOTDIR, path, Fault::kUsage));
    return lower;
}

}  // namespace

Result<RootSources> open_sources(const EnvironmentSpec& spec) {
    RootSources sources;
    BULKHEAD_TRY_VALUE(lower, open_lower(spec));
    sources.lower = std::move(lower);
    if (spec.root.kind == RootKind::kTemplate && spec.root.path == kHostTemplate) {
        BULKHEAD_TRY_VALUE(mask, host_mask());
        sources.mask = std::move(mask);
    }
    if (spec.network == NetworkKind::kHost) {
        BULKHEAD_TRY_VALUE(sys,
                           clone_mount(AT_FDCWD, "/sys", CloneDepth::kOne,
                                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
        sources.host_sys = std::move(sys);
    }
    if (!spec.beancounters.empty()) {
        BULKHEAD_TRY_VALUE(path, loader::beancounters_file());
        BULKHEAD_TRY_VALUE(file, clone_mount(AT_FDCWD, path, CloneDepth::kOne,
                                             MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
        sources.beancounters = std::move(file);
    }
    for (const BindMount& mount : spec.mounts) {
        auto source = clone_mount(AT_FDCWD, mount.source, CloneDepth::kRecursive);
        if (!source)
            return fail(std::move(source).error().within("--mount"));
        sources.mounts.push_back(std::move(*source));
    }
    return sources;
}

Status open_kept_layer(const EnvironmentSpec& spec, RootSources& sources) {
    if (spec.root.kind != RootKind::kTemplate || spec.afterlife != Afterlife::kKeep)
        return {};
    BULKHEAD_TRY_VALUE(path, make_kept_layer(spec.name));
    BULKHEAD_TRY_VALUE(kept, clone_mount(AT_FDCWD, path, CloneDepth::kOne));
    sources.kept = std::move(kept);
    return {};
}

Result<BuiltRoot> build_root(const EnvironmentSpec& spec, const RootSources& sources,
                             const RootOwner& owner) {
    BULKHEAD_TRY_VALUE(visit, MountNamespaceVisit::enter(owner.mount_namespace));
    const mode_t caller_umask = ::umask(0);
    auto built = RootBuilder(spec, sources, owner).build();
    ::umask(caller_umask);
    return built;
}

}  // namespace bulkhead::runtime
