#include "loader/metered.h"

#include <array>

#include "loader/cgroup_programs.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr std::array kCgroupPrograms = {
    CgroupProgram{"bh_cg_receive", BPF_CGROUP_INET_INGRESS},
    CgroupProgram{"bh_cg_send", BPF_CGROUP_INET_EGRESS},
};

Status put(const char* map, __u64 key, bh_label label) {
    auto rows = open_pinned_map<__u64, bh_label>(map);
    if (!rows)
        return fail(std::move(rows).error());
    return rows->put(key, label);
}

// Leaves a row that has another owner by now: numbers of namespaces are used again.
Status erase(const char* map, __u64 key, bh_label label) {
    auto rows = open_pinned_map<__u64, bh_label>(map);
    if (!rows)
        return fail(std::move(rows).error());
    BULKHEAD_TRY_VALUE(owner, rows->find(key));
    if (!owner || owner->serial != label.serial)
        return {};
    BULKHEAD_TRY(rows->erase(key));
    return {};
}

}  // namespace

Status start_metering(bh_label label, const bh_environment& record) {
    if (record.cgroup_id != 0)
        BULKHEAD_TRY(put("bh_cgroups", record.cgroup_id, label));
    if ((record.flags & BH_ENV_HOST_NETWORK) == 0)
        return record.net_ns != 0 ? put("bh_netns", record.net_ns, label) : Status{};
    for (const CgroupProgram& program : kCgroupPrograms)
        BULKHEAD_TRY(attach_to_cgroup(program, label, record.cgroup_id));
    return {};
}

Status stop_metering(bh_label label, const bh_environment& record) {
    if (record.cgroup_id != 0)
        BULKHEAD_TRY(erase("bh_cgroups", record.cgroup_id, label));
    if ((record.flags & BH_ENV_HOST_NETWORK) == 0)
        return record.net_ns != 0 ? erase("bh_netns", record.net_ns, label) : Status{};
    for (const CgroupProgram& program : kCgroupPrograms)
        BULKHEAD_TRY(detach_from_cgroup(program, label));
    return {};
}

}  // namespace bulkhead::loader
