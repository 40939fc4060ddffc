#include "runtime/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kCpuPeriodUs = 100'000;
constexpr const char* kControllers = "+cpu +memory +pids +io";

UniqueFd open_directory(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

std::string path_of(std::string_view name) {
    return std::string(kEnvironmentsCgroup) + "/" + std::string(name);
}

Status write_at(int directory, const char* file, std::string_view value) {
    const UniqueFd fd(::openat(directory, file, O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
        return fail_errno("write " + std::string(value) + " to " + file);
    return {};
}

Result<std::string> read_at(int directory, const char* file) {
    const UniqueFd fd(::openat(directory, file, O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno(std::string("open ") + file);
    std::string text;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(fd.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    if (got < 0)
        return fail_errno(std::string("read ") + file);
    return text;
}

Status enable_controllers(const std::string& path) {
    const UniqueFd directory = open_directory(path);
    if (!directory)
        return fail_errno("open " + path);
    if (auto done = write_at(directory.get(), "cgroup.subtree_control", kControllers); !done)
        return fail(Error(done.error().code(),
                          "enable the controllers cpu, memory, pids and io in " + path,
                          Fault::kUnsupported)
                        .advise("cat " + path +
                                "/cgroup.controllers shows what is there; a controller that a "
                                "version 1 hierarchy uses must be unmounted there"));
    return {};
}

std::uint64_t quota_us(std::uint64_t cpu_milli) {
    return cpu_milli == kNoLimit ? cpu_milli : cpu_milli * kCpuPeriodUs / 1000;
}

}  // namespace

Status Cgroup::prepare_parent() {
    const UniqueFd existing = open_directory(std::string(kEnvironmentsCgroup));
    if (existing) {
        // A directory with all controllers is ready; one that was left half-made is completed.
        BULKHEAD_TRY_VALUE(enabled, read_at(existing.get(), "cgroup.subtree_control"));
        if (enabled == "cpu io memory pids\n")
            return {};
    }
    struct statfs fs {};
    if (::statfs(std::string(kCgroupRoot).c_str(), &fs) != 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return fail(Error(0, std::string(kCgroupRoot) + " is not a cgroup2 file system",
                          Fault::kUnsupported)
                        .advise("mount -t cgroup2 none /sys/fs/cgroup, or boot with "
                                "systemd.unified_cgroup_hierarchy=1"));
    BULKHEAD_TRY(enable_controllers(std::string(kCgroupRoot)));
    if (::mkdir(std::string(kEnvironmentsCgroup).c_str(), 0755) != 0 && errno != EEXIST)
        return fail_errno("make the cgroup " + std::string(kEnvironmentsCgroup));
    return enable_controllers(std::string(kEnvironmentsCgroup));
}

Result<Cgroup> Cgroup::open_parent() {
    UniqueFd directory = open_directory(std::string(kEnvironmentsCgroup));
    if (!directory)
        return fail_errno("open the cgroup " + std::string(kEnvironmentsCgroup));
    return Cgroup(std::move(directory));
}

Status Cgroup::remove_parent() {
    if (::rmdir(std::string(kEnvironmentsCgroup).c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove the cgroup " + std::string(kEnvironmentsCgroup));
    return {};
}

Result<Cgroup> Cgroup::create(std::string_view name) {
    if (::mkdir(path_of(name).c_str(), 0755) != 0)
        return fail_errno("make the cgroup " + path_of(name));
    return open(name);
}

Result<Cgroup> Cgroup::open(std::string_view name) {
    UniqueFd directory = open_directory(path_of(name));
    if (!directory)
        return fail_errno("open the cgroup " + path_of(name));
    return Cgroup(std::move(directory));
}

Result<Cgroup> Cgroup::open_of(pid_t process) {
    constexpr std::string_view kUnified = "0::";
    std::ifstream file("/proc/" + std::to_string(process) + "/cgroup");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(kUnified))
            continue;
        UniqueFd directory =
            open_directory(std::string(kCgroupRoot) + line.substr(kUnified.size()));
        if (!directory)
            return fail_errno("open the cgroup " + line.substr(kUnified.size()));
        return Cgroup(std::move(directory));
    }
    return fail(Error(ESRCH, "find the cgroup of process " + std::to_string(process)));
}

Status Cgroup::apply(const Limits& limits) const {
    const auto number = [](std::uint64_t value) {
        return value == kNoLimit ? "max" : std::to_string(value);
    };
    if (limits.memory_bytes)
        BULKHEAD_TRY(write("memory.max", number(*limits.memory_bytes)));
    if (limits.memory_high_bytes)
        BULKHEAD_TRY(write("memory.high", number(*limits.memory_high_bytes)));
    if (limits.swap_bytes)
        BULKHEAD_TRY(write("memory.swap.max", number(*limits.swap_bytes)));
    if (limits.cpu_milli)
        BULKHEAD_TRY(
            write("cpu.max", number(quota_us(*limits.cpu_milli)) + " " + number(kCpuPeriodUs)));
    if (limits.cpu_weight)
        BULKHEAD_TRY(write("cpu.weight", number(*limits.cpu_weight)));
    if (limits.io_weight)
        BULKHEAD_TRY(write("io.weight", number(*limits.io_weight)));
    if (limits.pids)
        BULKHEAD_TRY(write("pids.max", number(*limits.pids)));
    return {};
}

Status Cgroup::delegate(uid_t owner) const {
    for (const char* file : {".", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"}) {
        if (::fchownat(directory_.get(), file, owner, owner, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(std::string("give a cgroup away: ") + file);
    }
    return write("cgroup.max.descendants", std::to_string(kMostDelegated));
}

Result<std::uint64_t> Cgroup::id() const {
    // On 64-bit kernels the inode number of a cgroup directory is its id.
    struct stat info {};
    if (::fstat(directory_.get(), &info) != 0)
        return fail_errno("stat a cgroup");
    return static_cast<std::uint64_t>(info.st_ino);
}

Result<bool> Cgroup::populated() const {
    BULKHEAD_TRY_VALUE(events, read("cgroup.events"));
    return events.find("populated 1") != std::string::npos;
}

Result<bool> Cgroup::wait_empty(int timeout_ms) const {
    const UniqueFd events(::openat(directory_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
    if (!events)
        return fail_errno("open cgroup.events");
    while (true) {
        char text[128];
        const ssize_t got = ::pread(events.get(), text, sizeof text, 0);
        if (got < 0 && errno == ENODEV)
            return true;  // it was empty, and somebody removed it
        if (got < 0)
            return fail_errno("read cgroup.events");
        if (std::string_view(text, static_cast<std::size_t>(got)).find("populated 0") !=
            std::string_view::npos)
            return true;
        pollfd changed{events.get(), POLLPRI, 0};
        const int ready = ::poll(&changed, 1, timeout_ms);
        if (ready == 0)
            return false;
        if (ready < 0 && errno != EINTR)
            return fail_errno("wait for cgroup.events");
    }
}

Status Cgroup::kill_all() const {
    return write("cgroup.kill", "1");
}

Status Cgroup::write(const char* file, std::string_view value) const {
    return write_at(directory_.get(), file, value);
}

Result<std::string> Cgroup::read(const char* file) const {
    return read_at(directory_.get(), file);
}

Result<pid_t> Cgroup::first_pid() const {
    BULKHEAD_TRY_VALUE(pids, read("cgroup.procs"));
    pid_t pid = 0;
    std::from_chars(pids.data(), pids.data() + pids.size(), pid);
    return pid;
}

Status Cgroup::remove(std::string_view name) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (::rmdir(path_of(name).c_str()) == 0 || errno == ENOENT)
        return {};
    // Deepest first: rmdir(2) is the only way to remove a cgroup.
    std::vector<std::string> below;
    for (const auto& entry : fs::recursive_directory_iterator(path_of(name), error)) {
        if (entry.is_directory())
            below.push_back(entry.path());
    }
    for (auto path = below.rbegin(); path != below.rend(); ++path)
        ::rmdir(path->c_str());
    if (::rmdir(path_of(name).c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove the cgroup " + path_of(name));
    return {};
}

}  // namespace bulkhead::runtime
