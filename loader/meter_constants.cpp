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

// The kernel's tables of where a memory cgroup keeps what. 0: it has none of this name.
struct Tables {
    __u64 stats = 0;
    __u64 events = 0;

    void take(std::string_view line) {
        const auto is = [&](std::string_view name) { return line.ends_with(name); };
        __u64* const place = is(" mem_cgroup_stats_index")    ? &stats
                             : is(" mem_cgroup_events_index") ? &events
                                                              : nullptr;
        if (place != nullptr)
            std::from_chars(line.data(), line.data() + line.size(), *place, 16);
    }
};

// Reading the symbols is slow, and 7.2 has functions that know: only before.
Tables find_tables() {
    std::ifstream symbols("/proc/kallsyms");
    Tables tables;
    for (std::string line; std::getline(symbols, line);)
        tables.take(line);
    return tables;
}

// Since 6.10 a memory cgroup has no room for items that no cgroup counts, and a table says where
// the others are; of events there is one on older kernels too.
Result<Tables> tables(const btf& kernel) {
    if (btf__find_by_name_kind(&kernel, "bpf_get_mem_cgroup", BTF_KIND_FUNC) > 0)
        return Tables{};
    const bool direct = array_elements(kernel, "memcg_vmstats", "state") >=
                        enum_value(kernel, "memcg_stat_item", "MEMCG_NR_STAT");
    Tables found = find_tables();
    if (found.events == 0 || (found.stats == 0 && !direct))
        return fail(Error(0,
                          "mem_cgroup_stats_index and mem_cgroup_events_index are not in "
                          "/proc/kallsyms",
                          Fault::kUnsupported)
                        .advise("use a kernel with CONFIG_KALLSYMS_ALL and "
                                "sysctl kernel.kptr_restrict below 2"));
    if (direct)
        found.stats = 0;
    return found;
}

// The namespace of init. Should that not be the host's (bulkhead runs in a container), the host's
// packets cost one look-up more.
__u32 host_netns() {
    struct stat info {};
    return ::stat("/proc/1/ns/net", &info) == 0 ? static_cast<__u32>(info.st_ino) : 0;
}

}  // namespace

Status fill_meter_constants(const bulkhead_bpf& skeleton, const btf& kernel) {
    BULKHEAD_TRY_VALUE(found, tables(kernel));
    skeleton.rodata->bh_stats_index = found.stats;
    skeleton.rodata->bh_events_index = found.events;
    skeleton.rodata->bh_host_netns = host_netns();
    return {};
}

}  // namespace bulkhead::loader
