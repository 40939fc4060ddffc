// What the census counts: cgroups, mounts, namespaces, processes in environments, pins, rows of
// the kernel's maps and state files.
#include <bpf/bpf.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;
using Things = std::set<std::string>;

void add_tree(const char* kind, const fs::path& root, Things& things) {
    std::error_code error;
    auto entry = fs::recursive_directory_iterator(root, error);
    for (; entry != fs::recursive_directory_iterator(); entry.increment(error))
        things.insert(std::string(kind) + " " + entry->path().string());
}

// The ledger is there to stay, and grows with whatever ends.
void add_kept(Things& things) {
    add_tree("state", "/var/lib/bulkhead", things);
    std::erase_if(things, [](const std::string& thing) {
        return thing.starts_with("state /var/lib/bulkhead/.ledger") ||
               thing.starts_with("state /var/lib/bulkhead/.budgets");
    });
}

void add_cgroups(Things& things) {
    std::error_code error;
    auto entry = fs::recursive_directory_iterator("/sys/fs/cgroup", error);
    for (; entry != fs::recursive_directory_iterator(); entry.increment(error))
        if (entry->is_directory(error))
            things.insert("cgroup " + entry->path().string());
}

void add_mounts(Things& things) {
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);)
        things.insert("mount " + line);
}

bool is_process(const std::string& name) {
    return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
}

// Namespaces of the processes that are alive: one that only a descriptor or a mount holds would
// show as a process's descriptor or as a mount.
void add_namespaces(Things& things) {
    std::error_code error;
    for (const auto& process : fs::directory_iterator("/proc", error)) {
        if (!is_process(process.path().filename()))
            continue;
        std::error_code ended;
        for (const auto& link : fs::directory_iterator(process.path() / "ns", ended)) {
            std::error_code unreadable;
            const fs::path target = fs::read_symlink(link.path(), unreadable);
            if (!unreadable)
                things.insert("namespace " + target.string());
        }
    }
}

// Only maps with rows that come and go; the rows of the arrays are there always.
bool has_rows(const bpf_map_info& info) {
    return info.type == BPF_MAP_TYPE_HASH || info.type == BPF_MAP_TYPE_LRU_HASH ||
           info.type == BPF_MAP_TYPE_PERCPU_HASH || info.type == BPF_MAP_TYPE_LPM_TRIE;
}

void add_rows_of(const fs::path& pin, Things& things) {
    const UniqueFd map(bpf_obj_get(pin.c_str()));
    bpf_map_info info{};
    std::uint32_t bytes = sizeof info;
    if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &bytes) != 0 || !has_rows(info))
        return;
    std::vector<unsigned char> key(info.key_size), next(info.key_size);
    const void* previous = nullptr;
    while (bpf_map_get_next_key(map.get(), previous, next.data()) == 0) {
        std::string row = "row of ";
        row += pin.filename().string();
        for (const unsigned char byte : next)
            row.append(" ").append(std::to_string(byte));
        things.insert(row);
        key = next;
        previous = key.data();
    }
}

void add_rows(Things& things) {
    std::error_code error;
    const fs::path maps = fs::path(loader::kPinRoot) / "maps";
    for (const auto& pin : fs::directory_iterator(maps, error))
        add_rows_of(pin.path(), things);
    const auto meta = loader::load_state();
    if (!meta || *meta != loader::LoadState::kLoaded)
        return;
    auto environments = loader::map_pinned_array<bh_environment>(
        "bh_envs", BH_MAX_ENVIRONMENTS, loader::MappedArray<bh_environment>::Access::kRead);
    for (std::size_t slot = 0; environments && slot < BH_MAX_ENVIRONMENTS; ++slot)
        if ((*environments)[slot].serial != 0)
            things.insert(std::string("record ") + (*environments)[slot].name);
}

}  // namespace

Census Census::take() {
    Census census;
    add_cgroups(census.things_);
    add_mounts(census.things_);
    add_namespaces(census.things_);
    add_tree("pin", fs::path(loader::kPinRoot), census.things_);
    add_rows(census.things_);
    add_tree("state", "/run/bulkhead", census.things_);
    add_kept(census.things_);
    return census;
}

std::string Census::difference(const Census& later) const {
    std::string text;
    for (const std::string& thing : later.things_)
        if (!things_.contains(thing))
            text += "left behind: " + thing + "\n";
    // Keys of an ended environment are collected by a worker of the kernel; their rows go with
    // them.
    for (const std::string& thing : things_)
        if (!later.things_.contains(thing) && !thing.starts_with("row of bh_objects"))
            text += "gone: " + thing + "\n";
    return text;
}

NothingLeft::~NothingLeft() {
    std::string difference;
    eventually([&] {
        difference = before_.difference(Census::take());
        return difference.empty();
    });
    EXPECT_EQ(difference, "");
}

}  // namespace bulkhead::tests
