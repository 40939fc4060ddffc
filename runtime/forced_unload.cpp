#include "runtime/forced_unload.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "loader/unique_fd.h"
#include "runtime/format.h"
#include "runtime/journal.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

// Who logged in, whatever they became since; -1: nobody did.
std::int64_t login_uid() {
    std::int64_t uid = -1;
    std::ifstream("/proc/self/loginuid") >> uid;
    return uid == UINT32_MAX ? -1 : uid;
}

}  // namespace

Status log_forced_unload() {
    constexpr int kWarning = 4;
    const std::string line = formatted(
        "<{}>bulkhead: unload --force by uid {}, login uid {}, pid {}: protected programs are "
        "taken out\n",
        kWarning, ::getuid(), login_uid(), ::getpid());
    const UniqueFd log(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
    if (!log || ::write(log.get(), line.data(), line.size()) < 0)
        return fail_errno("write to the kernel's log, /dev/kmsg");
    tell("forced-unload", "",
         {{"uid", ::getuid()}, {"login_uid", login_uid()}, {"pid", ::getpid()}});
    return {};
}

}  // namespace bulkhead::runtime
