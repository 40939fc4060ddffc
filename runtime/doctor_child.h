// Trying something in a child of its own namespaces, which take with them what the trial made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime {

// A forked child that waits to be let go. Killed and reaped with the object.
class Child {
public:
    // clone3(2) with `flags`; `cgroup` is used with CLONE_INTO_CGROUP. The child runs `act` as
    // soon as finish() lets it.
    static Result<Child> start(std::uint64_t flags, int cgroup, const std::function<Status()>& act);

    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

    // Lets the child go and returns how `act` ended.
    Status finish();

private:
    Child(pid_t pid, UniqueFd pidfd, UniqueFd go, UniqueFd report)
        : pid_(pid), pidfd_(std::move(pidfd)), go_(std::move(go)), report_(std::move(report)) {}

    pid_t pid_;
    UniqueFd pidfd_;
    UniqueFd go_;      // closed: the child may go
    UniqueFd report_;  // {errno, step} when `act` failed, else only end of file
};

// The usual case: start, finish.
Status try_in_child(std::uint64_t flags, const std::function<Status()>& act);

// A user namespace that maps 65536 ids, held by nothing but the descriptor.
Result<UniqueFd> make_user_namespace();

}  // namespace bulkhead::runtime
