#include "loader/egress_filter.h"

#include <array>

#include "loader/cgroup_programs.h"

namespace bulkhead::loader {
namespace {

constexpr CgroupProgram kFilter{"bh_cg_filter", BPF_CGROUP_INET_EGRESS};
constexpr std::array kNames = {CgroupProgram{"bh_cg_connect4", BPF_CGROUP_INET4_CONNECT},
                               CgroupProgram{"bh_cg_connect6", BPF_CGROUP_INET6_CONNECT},
                               CgroupProgram{"bh_cg_sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
                               CgroupProgram{"bh_cg_sendmsg6", BPF_CGROUP_UDP6_SENDMSG}};

}  // namespace

Status prepare_egress_filter(bh_label label, __u64 cgroup_id, __u64 control, __u32 flags) {
    if (!BH_CONTROL_REFUSES(control, BH_CLASS_EGRESS) || cgroup_id == 0)
        return {};
    // The filter first: what they leave to it is judged from the first instant too.
    BULKHEAD_TRY(attach_to_cgroup(kFilter, label, cgroup_id));
    if ((flags & BH_ENV_NAMES) == 0)
        return {};
    for (const CgroupProgram& program : kNames)
        BULKHEAD_TRY(attach_to_cgroup(program, label, cgroup_id));
    return {};
}

Status settle_egress_filter(bh_label label, __u64 before, __u64 control) {
    if (!BH_CONTROL_REFUSES(before, BH_CLASS_EGRESS) ||
        BH_CONTROL_REFUSES(control, BH_CLASS_EGRESS))
        return {};
    BULKHEAD_TRY(detach_names(label));
    return detach_from_cgroup(kFilter, label);
}

Status detach_names(bh_label label) {
    for (const CgroupProgram& program : kNames)
        BULKHEAD_TRY(detach_from_cgroup(program, label));
    return {};
}

}  // namespace bulkhead::loader
