#include "loader/meter_constants.h"

#include <bpf/btf.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#include "bulkhead_bpf.skel.h"

namespace bulkhead::loader {
namespace {

// Elements of the array `member` of `structure`; 0 when there is none.
__u32 array_elements(const btf& kernel, const char* structure, std::string_view member) {
    const int id = btf__find_by_name_kind(&kernel, structure, BTF_KIND_STRUCT);
    const btf_type* type = id > 0 ? btf__type_by_id(&kernel, static_cast<__u32>(id)) : nullptr;
    for (int i = 0; type != nullptr && i < btf_vlen(type); ++i) {
        const btf_member& found = btf_members(type)[i];
        const btf_type* array = btf__type_by_id(&kernel, found.type);
        if (member == btf__name_by_offset(&kernel, found.name_off) && btf_is_array(array))
            return btf_array(array)->nelems;
    }
    return 0;
}

__u32 enum_value(const btf& kernel, const char* enumeration, std::string_view name) {
    const int id = btf__find_by_name_kind(&kernel, enumeration, BTF_KIND_ENUM);
    const btf_type* type = id > 0 ? btf__type_by_id(&kernel, static_cast<__u32>(id)) : nullptr;
    for (int i = 0; type != nullptr && i < btf_vlen(type); ++i) {
        const struct btf_enum& found = btf_enum(type)[i];
        if (name == btf__name_by_offset(&kernel, found.name_off))
            return static_cast<__u32>(found.val);
    }
    return 0;
}

// 0 when the kernel does not have the symbol or hides it.
__u64 symbol_address(std::string_view name) {
    std::ifstream symbols("/proc/kallsyms");
    const std::string ending = " " + std::string(name);
    for (std::string line; std::getline(symbols, line);) {
        if (!line.ends_with(ending))
            continue;
        __u64 address = 0;
        std::from_chars(line.data(), line.data() + line.size(), address, 16);
        return address;
    }
    return 0;
}

// Since 6.10 a memory cgroup has no room for items that no cgroup counts, and a table says where
// the others are. 7.2 has functions that know it; reading the symbols is slow, so only between.
Result<__u64> stats_index(const btf& kernel) {
    if (btf__find_by_name_kind(&kernel, "bpf_get_mem_cgroup", BTF_KIND_FUNC) > 0)
        return 0;
    if (array_elements(kernel, "memcg_vmstats", "state") >=
        enum_value(kernel, "memcg_stat_item", "MEMCG_NR_STAT"))
        return 0;
    const __u64 address = symbol_address("mem_cgroup_stats_index");
    if (address == 0)
        return fail(Error(0, "mem_cgroup_stats_index is not in /proc/kallsyms", Fault::kUnsupported)
                        .advise("use a kernel with CONFIG_KALLSYMS_ALL and "
                                "sysctl kernel.kptr_restrict below 2"));
    return address;
}

// The namespace of init. Should that not be the host's (bulkhead runs in a container), the host's
// packets cost one look-up more.
__u32 host_netns() {
    struct stat info {};
    return ::stat("/proc/1/ns/net", &info) == 0 ? static_cast<__u32>(info.st_ino) : 0;
}

}  // namespace

Status fill_meter_constants(const bulkhead_bpf& skeleton, const btf& kernel) {
    BULKHEAD_TRY_VALUE(index, stats_index(kernel));
    skeleton.rodata->bh_stats_index = index;
    skeleton.rodata->bh_host_netns = host_netns();
    return {};
}

}  // namespace bulkhead::loader
