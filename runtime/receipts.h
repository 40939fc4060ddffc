// The first half of the way of a final reading: from the kernel to the ledger's pending file when
// an environment is found ended. Knows nothing of SQLite: every start and end goes through here.
#pragma once

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Of an environment in which nothing runs any more: leaves its usage for the ledger, and writes it
// where the specification wants it. To be done before its record is withdrawn; may be done twice.
// Done, too, when its record is gone: somebody else did it.
Status store_final(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                   const EnvironmentSpec& spec);

// The same of one whose cgroup is gone: what the kernel read of it as it was removed or, where that
// was before its end, what was last read.
Status store_last_read(const loader::Environments& environments, bh_label label,
                       const EnvironmentSpec& spec);

}  // namespace bulkhead::runtime
