#include "loader/program_stats.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

// By the kernel's number: several links may hold one program.
using ById = std::map<__u32, ProgramStats>;

Status add(int program, ById& all) {
    bpf_prog_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(program, &info, &bytes) != 0)
        return fail_errno("ask for a pinned program");
    all.insert({info.id, {info.name, info.run_cnt, info.run_time_ns, info.recursion_misses}});
    return {};
}

template <typename Add>
Status for_each_pin(const std::string& directory, Add add_pinned) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(directory, none)) {
        Status done = open_pinned(entry.path()).and_then([&](const UniqueFd& pinned) {
            return add_pinned(pinned.get());
        });
        if (!done && done.error().code() != ENOENT)
            return done;
    }
    return {};
}

}  // namespace

Result<std::vector<ProgramStats>> read_program_stats() {
    ById all;
    // Programs that are attached on demand are pinned themselves; the others are held by links.
    BULKHEAD_TRY(for_each_pin(program_pin(""), [&](int pinned) { return add(pinned, all); }));
    BULKHEAD_TRY(for_each_pin(link_pin(""), [&](int link) -> Status {
        BULKHEAD_TRY_VALUE(program, program_of(link));
        return add(program.get(), all);
    }));
    std::vector<ProgramStats> sorted;
    sorted.reserve(all.size());
    for (auto& [id, stats] : all)
        sorted.push_back(std::move(stats));
    std::sort(sorted.begin(), sorted.end(), [](const ProgramStats& one, const ProgramStats& other) {
        return one.name < other.name;
    });
    return sorted;
}

bool program_stats_are_on() {
    std::ifstream setting("/proc/sys/kernel/bpf_stats_enabled");
    int on = 0;
    return setting >> on && on != 0;
}

}  // namespace bulkhead::loader
