// The rows and attachments by which the meters know whose a cgroup or a network namespace is.
#pragma once

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// From now on what the record's cgroup and network use is counted for `label`. May be repeated.
Status start_metering(bh_label label, const bh_environment& record);

// Undoes it; what was not started is not an error. Before the cgroup is removed or after.
Status stop_metering(bh_label label, const bh_environment& record);

}  // namespace bulkhead::loader
