#include "runtime/foreground.h"

#include <cerrno>

#include "runtime/cgroup.h"
#include "runtime/learned_record.h"
#include "runtime/receipts.h"
#include "runtime/remains.h"

namespace bulkhead::runtime {

Result<int> mind_until_end(Started started, const BlockedSignals& signals) {
    BULKHEAD_TRY_VALUE(code, supervise(started.pidfd.get(), started.terminal.get(), signals));
    const EnvironmentSpec& spec = started.state.spec;
    const std::string& name = spec.name;
    // Without its first process the PID namespace is dead; what is left is on its way out.
    if (auto cgroup = Cgroup::open(name)) {
        BULKHEAD_TRY(cgroup->wait_empty(-1));
        BULKHEAD_TRY(store_final(started.environments, started.state.label, *cgroup, spec));
    } else {
        BULKHEAD_TRY(store_last_read(started.environments, started.state.label, spec));
    }
    BULKHEAD_TRY(store_learned(started.environments, spec));
    tell_end(started.directory, spec, code);
    BULKHEAD_TRY(spec.afterlife == Afterlife::kRemove ? remove_stored(started.environments, name)
                                                      : started.directory.mark_receipt_stored());
    return code;
}

}  // namespace bulkhead::runtime
