// The table of beancounters as a file: an iterator, pinned.
#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/beancounters.h"
#include "loader/guard.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kProgram = "bh_bc_table";
// A map of one element, so that the program runs once for each open.
constexpr const char* kIterated = "bh_meta";

Status pin_iterator(const std::string& path) {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin(kProgram)));
    BULKHEAD_TRY_VALUE(map, open_pinned(map_pin(kIterated)));
    bpf_iter_link_info target{};
    target.map.map_fd = static_cast<__u32>(map.get());
    LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &target,
                .iter_info_len = sizeof target);
    const UniqueFd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, &options));
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
