#include "loader/held_links.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr auto kPatience = std::chrono::minutes(1);
constexpr auto kPause = std::chrono::milliseconds(2);

bool is_held(__u32 link_id) {
    const UniqueFd link(bpf_link_get_fd_by_id(link_id));
    return static_cast<bool>(link) || errno != ENOENT;
}

}  // namespace

std::optional<HeldLink> hold_link(const std::string& pin) {
    HeldLink link{.id = 0, .fd = UniqueFd(bpf_obj_get(pin.c_str()))};
    bpf_link_info info{};
    __u32 bytes = sizeof info;
    if (!link.fd || bpf_obj_get_info_by_fd(link.fd.get(), &info, &bytes) != 0)
        return std::nullopt;
    link.id = info.id;
    return link;
}

std::vector<HeldLink> hold_pinned_links() {
    std::vector<HeldLink> links;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(link_pin(""), none)) {
        if (auto link = hold_link(entry.path()))
            links.push_back(std::move(*link));
    }
    return links;
}

// A pin that was removed lets go of its link after a grace period of RCU, which membarrier(2) waits
// for. Whoever lets go last detaches the program: a descriptor before close(2) returns, a pin in a
// worker of the kernel, one after the other, for seconds.
Status drop(std::vector<HeldLink> links) {
    ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    for (HeldLink& link : links)
        link.fd.reset();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (const HeldLink& link : links) {
        while (is_held(link.id)) {
            if (std::chrono::steady_clock::now() > deadline)
                return fail(Error(ETIMEDOUT, "link " + std::to_string(link.id) +
                                                 " is still in the kernel, and its program decides")
                                .advise("a process has it open: bpftool link show id " +
                                        std::to_string(link.id) + " names it"));
            std::this_thread::sleep_for(kPause);
        }
    }
    return {};
}

}  // namespace bulkhead::loader
