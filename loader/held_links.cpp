#include "loader/held_links.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "loader/pins.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kPause = std::chrono::milliseconds(2);

bool is_held(__u32 link_id) {
    const UniqueFd link(bpf_link_get_fd_by_id(link_id));
    return static_cast<bool>(link) || errno != ENOENT;
}

}  // namespace

std::vector<__u32> pinned_link_ids() {
    std::vector<__u32> ids;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(link_pin(""), none)) {
        const UniqueFd link(bpf_obj_get(entry.path().c_str()));
        bpf_link_info info{};
        __u32 bytes = sizeof info;
        if (link && bpf_obj_get_info_by_fd(link.get(), &info, &bytes) == 0)
            ids.push_back(info.id);
    }
    return ids;
}

Status wait_until_dropped(const std::vector<__u32>& link_ids) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (const __u32 id : link_ids) {
        while (is_held(id)) {
            if (std::chrono::steady_clock::now() > deadline)
                return fail(Error(ETIMEDOUT, "link " + std::to_string(id) +
                                                 " is still in the kernel, and its program decides")
                                .advise("a process has it open: bpftool link show id " +
                                        std::to_string(id) + " names it"));
            std::this_thread::sleep_for(kPause);
        }
    }
    return {};
}

}  // namespace bulkhead::loader
