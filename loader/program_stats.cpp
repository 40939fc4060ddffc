#include "loader/program_stats.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

Result<ProgramStats> stats_of(const std::string& name) {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin(name)));
    bpf_prog_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(program.get(), &info, &bytes) != 0)
        return fail_errno("ask for the program " + name);
    return ProgramStats{name, info.run_cnt, info.run_time_ns, info.recursion_misses};
}

}  // namespace

Result<std::vector<ProgramStats>> read_program_stats() {
    std::vector<ProgramStats> all;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(program_pin(""), none)) {
        auto one = stats_of(entry.path().filename());
        if (!one && one.error().code() == ENOENT)
            continue;  // unloaded meanwhile
        if (!one)
            return fail(std::move(one).error());
        all.push_back(std::move(*one));
    }
    std::sort(all.begin(), all.end(), [](const ProgramStats& one, const ProgramStats& other) {
        return one.name < other.name;
    });
    return all;
}

bool program_stats_are_on() {
    std::ifstream setting("/proc/sys/kernel/bpf_stats_enabled");
    int on = 0;
    return setting >> on && on != 0;
}

}  // namespace bulkhead::loader
