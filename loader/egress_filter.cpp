#include "loader/egress_filter.h"

#include "loader/cgroup_programs.h"

namespace bulkhead::loader {
namespace {

constexpr CgroupProgram kFilter{"bh_cg_filter", BPF_CGROUP_INET_EGRESS};

}  // namespace

Status prepare_egress_filter(bh_label label, __u64 cgroup_id, __u64 control) {
    if (!BH_CONTROL_REFUSES(control, BH_CLASS_EGRESS) || cgroup_id == 0)
        return {};
    return attach_to_cgroup(kFilter, label, cgroup_id);
}

Status settle_egress_filter(bh_label label, __u64 before, __u64 control) {
    if (!BH_CONTROL_REFUSES(before, BH_CLASS_EGRESS) ||
        BH_CONTROL_REFUSES(control, BH_CLASS_EGRESS))
        return {};
    return detach_from_cgroup(kFilter, label);
}

}  // namespace bulkhead::loader
