// Programs that hang on the cgroup of one environment each: attached and pinned, taken off again.
#pragma once

#include <linux/bpf.h>

#include "bpf/wire.h"
#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

// The directory of the cgroup with this id. ESTALE: it is gone.
Result<UniqueFd> open_cgroup(__u64 id);

struct CgroupProgram {
    const char* name;
    bpf_attach_type type;
};

// Whether the program asks whose cgroup it is on.
enum class Owner { kTold, kUnasked };

// Attaches to the cgroup, says whose it is if that is asked, and pins the link. A no-op when it was
// done before.
Status attach_to_cgroup(const CgroupProgram& program, bh_label label, __u64 cgroup_id,
                        Owner owner = Owner::kTold);

// What was not attached is not an error. Before the cgroup is removed or after.
Status detach_from_cgroup(const CgroupProgram& program, bh_label label);

}  // namespace bulkhead::loader
