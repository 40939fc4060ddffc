#include "loader/passes.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "loader/pins.h"

namespace bulkhead::loader {

Result<UniqueFd> start_pass(const std::string& program, const std::string& map) {
    BULKHEAD_TRY_VALUE(pinned, open_pinned(program_pin(program)));
    bpf_iter_link_info target{};
    LIBBPF_OPTS(bpf_link_create_opts, options);
    UniqueFd iterated;
    if (!map.empty()) {
        BULKHEAD_TRY_VALUE(opened, open_pinned(map_pin(map)));
        iterated = std::move(opened);
        target.map.map_fd = static_cast<__u32>(iterated.get());
        options.iter_info = &target;
        options.iter_info_len = sizeof target;
    }
    const UniqueFd link(bpf_link_create(pinned.get(), 0, BPF_TRACE_ITER, &options));
    if (!link)
        return fail_errno("attach " + program);
    UniqueFd pass(bpf_iter_create(link.get()));
    if (!pass)
        return fail_errno("start a pass of " + program);
    return pass;
}

Result<std::string> read_pass(const UniqueFd& pass) {
    std::string bytes;
    std::array<char, 16384> part{};
    ssize_t got = 0;
    while ((got = ::read(pass.get(), part.data(), part.size())) > 0 || (got < 0 && errno == EAGAIN))
        bytes.append(part.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got < 0)
        return fail_errno("read what the kernel holds");
    return bytes;
}

}  // namespace bulkhead::loader
