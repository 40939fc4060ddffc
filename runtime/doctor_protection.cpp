// Whether the programs are protected from the host's own tasks: by a task that is none of ours, and
// that is stopped at the door; where they are not, whether this kernel could.
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include "loader/guard.h"
#include "loader/pins.h"
#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {
namespace {

constexpr const char* kShell = "/bin/sh";

Result<std::uint64_t> refused_so_far() {
    BULKHEAD_TRY_VALUE(log, loader::read_guard_log());
    return log.refused[BH_GUARD_inode_permission];
}

// Any program would do that is not ours.
Status enter_as_another(const std::string& directory) {
    std::string script = "cd " + directory + " 2>/dev/null";
    std::string shell = kShell, option = "-c";
    const std::array<char*, 4> arguments = {shell.data(), option.data(), script.data(), nullptr};
    const std::array<char*, 1> environment = {nullptr};
    pid_t pid = -1;
    const int error =
        ::posix_spawn(&pid, kShell, nullptr, nullptr, arguments.data(), environment.data());
    if (error != 0)
        return fail(Error(error, std::string("start ") + kShell));
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid)
        return fail_errno(std::string("wait for ") + kShell);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return fail(Error(0, std::string(kShell) + " entered " + directory));
    return {};
}

Status try_protection() {
    BULKHEAD_TRY_VALUE(before, refused_so_far());
    BULKHEAD_TRY(enter_as_another(std::string(loader::kPinRoot) + "/links"));
    BULKHEAD_TRY_VALUE(after, refused_so_far());
    if (after > before)
        return {};
    return fail(Error(0, "another program was not stopped by the programs that protect"));
}

Status check_own_protection() {
    BULKHEAD_TRY_VALUE(is_on, loader::is_protected());
    if (is_on)
        return try_protection();
    BULKHEAD_TRY(loader::try_to_protect());
    return fail(Error(0, "not switched on; its programs were loaded and attached")
                    .advise("bulkhead load --protect"));
}

}  // namespace

Checks check_protection() {
    return {conclude(
        "fence",
        {"protection", Need::kOptional, "another program was refused the directory of our links",
         "bulkhead unload --force && bulkhead load --protect"},
        check_own_protection())};
}

}  // namespace bulkhead::runtime
