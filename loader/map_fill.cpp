#include "loader/map_fill.h"

#include <bpf/bpf.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "loader/environments.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

// Left out: storage of tasks, sockets and inodes, which has no bound; bh_cgroups and bh_netns,
// which have a row for each environment; bh_refusals, which has room for all.
constexpr std::array kHashMaps = {"bh_charges", "bh_learned",  "bh_nodes", "bh_objects",
                                  "bh_peers",   "bh_policies", "bh_roots", "bh_routes",
                                  "bh_rows",    "bh_rule_use"};

// In batches of whole buckets: a row that comes or goes meanwhile is missed or counted, no more.
Result<__u64> count_rows(int map, const bpf_map_info& info, const std::string& name) {
    constexpr __u32 kAtOnce = 512;
    std::vector<std::byte> keys(std::size_t{kAtOnce} * info.key_size);
    std::vector<std::byte> values(std::size_t{kAtOnce} * info.value_size);
    __u64 rows = 0;
    __u32 bucket = 0;  // of a hash map, the kernel's bookmark is a bucket's number
    for (void* from = nullptr;; from = &bucket) {
        __u32 count = kAtOnce;
        const int result =
            bpf_map_lookup_batch(map, from, &bucket, keys.data(), values.data(), &count, nullptr);
        if (result != 0 && errno != ENOENT)
            return fail_errno("walk map " + name);
        rows += count;
        if (result != 0)
            return rows;
    }
}

Result<MapFill> fill_of(const std::string& name) {
    BULKHEAD_TRY_VALUE(map, open_pinned(map_pin(name)));
    bpf_map_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(map.get(), &info, &bytes) != 0)
        return fail_errno("ask for map " + name);
    BULKHEAD_TRY_VALUE(rows, count_rows(map.get(), info, name));
    return MapFill{name, rows, info.max_entries};
}

}  // namespace

Result<std::vector<MapFill>> read_map_fill() {
    std::vector<MapFill> all;
    auto environments = Environments::open();
    if (!environments && environments.error().code() == ENOENT)
        return all;
    if (!environments)
        return fail(std::move(environments).error());
    all.push_back({"bh_envs", environments->count(), BH_MAX_ENVIRONMENTS});
    for (const char* name : kHashMaps) {
        BULKHEAD_TRY_VALUE(fill, fill_of(name));
        all.push_back(std::move(fill));
    }
    return all;
}

}  // namespace bulkhead::loader
