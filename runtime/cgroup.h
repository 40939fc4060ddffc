// The cgroup of an environment: /sys/fs/cgroup/bulkhead/NAME on the unified hierarchy.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime {

inline constexpr std::string_view kCgroupRoot = "/sys/fs/cgroup";
inline constexpr std::string_view kEnvironmentsCgroup = "/sys/fs/cgroup/bulkhead";
// Depth of an environment's cgroup below the hierarchy's root.
inline constexpr std::uint32_t kEnvironmentCgroupLevel = 2;

// As a limit of memory, swap, CPU time or processes: it is taken away.
inline constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

// Bounds on resources; what is absent is not bounded, or stays as it is.
struct Limits {
    std::optional<std::uint64_t> memory_bytes;
    std::optional<std::uint64_t> memory_high_bytes;  // above it is reclaimed and slowed down
    std::optional<std::uint64_t> memory_min_bytes;   // guaranteed: guarantees.h
    std::optional<std::uint64_t> memory_low_bytes;
    std::optional<std::uint64_t> swap_bytes;
    std::optional<std::uint64_t> cpu_milli;   // thousandths of one CPU
    std::optional<std::uint64_t> cpu_weight;  // 1 to 10000
    std::optional<std::uint64_t> io_weight;   // 1 to 10000
    std::optional<std::uint64_t> pids;
};

// The kernel has 65,535 memory cgroups for all environments and the machine.
inline constexpr unsigned kMostDelegated = 1024;

// One cgroup directory, by descriptor.
class Cgroup {
public:
    // Makes the environments' parent with the controllers enabled, when it is not there yet.
    // kUnsupported: no unified hierarchy, or a controller is missing; the error says which.
    static Status prepare_parent();

    // That parent itself. ENOENT: nothing was started since it was last removed.
    static Result<Cgroup> open_parent();

    // Removes it again. EBUSY: environments are there.
    static Status remove_parent();

    // Makes NAME below it. EEXIST: it is there.
    static Result<Cgroup> create(std::string_view name);
    static Result<Cgroup> open(std::string_view name);
    // The one that a process is in: an environment's or, where its policy lets it make cgroups, one
    // below, since processes and cgroups with controllers are not in one.
    static Result<Cgroup> open_of(pid_t process);

    // Any cgroup, by its directory.
    static Cgroup over(UniqueFd directory) { return Cgroup(std::move(directory)); }

    // All but what is guaranteed.
    Status apply(const Limits& limits) const;
    // Lets `owner`, a host id, make kMostDelegated cgroups below it and move processes between
    // them. What bounds it stays root's.
    Status delegate(uid_t owner) const;

    [[nodiscard]] int fd() const { return directory_.get(); }
    // What the kernel programs know it by.
    [[nodiscard]] Result<std::uint64_t> id() const;
    // True while any task is in it or below.
    [[nodiscard]] Result<bool> populated() const;
    // Waits until it is empty or removed; false after `timeout_ms` (-1: none).
    [[nodiscard]] Result<bool> wait_empty(int timeout_ms) const;
    // SIGKILL to every task in it and below.
    Status kill_all() const;
    Status write(const char* file, std::string_view value) const;
    [[nodiscard]] Result<std::string> read(const char* file) const;
    [[nodiscard]] Result<pid_t> first_pid() const;

    // Removes NAME and the cgroups that were made below it. No task may be left.
    static Status remove(std::string_view name);

private:
    explicit Cgroup(UniqueFd directory) : directory_(std::move(directory)) {}

    UniqueFd directory_;
};

}  // namespace bulkhead::runtime
