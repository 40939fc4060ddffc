// The table of beancounters as a file: an iterator, pinned.
#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/beancounters.h"
#include "loader/guard.h"
#include "loader/held.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kProgram = "bh_bc_table";

Status pin_iterator(const std::string& path) {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin(kProgram)));
    // Where the kernel does not say where it counts to users, the table goes without.
    const Status found = find_user_counts();
    if (!found && found.error().fault() != Fault::kUnsupported)
        return fail(Error(found.error()));
    const UniqueFd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, nullptr));
    if (!link)
        return fail_errno(std::string("attach ") + kProgram);
    return pin_link(link.get(), path);
}

}  // namespace

Result<std::string> beancounters_file() {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    std::string path = std::string(kPinRoot) + "/beancounters";
    if (::access(path.c_str(), F_OK) != 0)
        BULKHEAD_TRY(pin_iterator(path));
    // Also of one that whoever pinned it could not finish. It tells each reader only its own.
    if (::chmod(path.c_str(), 0444) != 0)
        return fail_errno("open " + path + " to readers");
    return path;
}

}  // namespace bulkhead::loader
