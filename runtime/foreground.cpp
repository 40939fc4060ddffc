#include "runtime/foreground.h"

#include <cerrno>

#include "runtime/cgroup.h"
#include "runtime/learned_record.h"
#include "runtime/remains.h"

namespace bulkhead::runtime {

Result<int> mind_until_end(Started started, const BlockedSignals& signals) {
    BULKHEAD_TRY_VALUE(code, supervise(started.pidfd.get(), started.terminal.get(), signals));
    const std::string& name = started.state.spec.name;
    // Without its first process the PID namespace is dead; what is left is on its way out.
    if (auto cgroup = Cgroup::open(name)) {
        BULKHEAD_TRY(cgroup->wait_empty(-1));
        BULKHEAD_TRY(store_receipt(*cgroup, started.state.spec));
    }
    BULKHEAD_TRY(store_learned(started.environments, started.state.spec));
    tell_end(started.directory, started.state.spec, code);
    if (started.state.spec.afterlife == Afterlife::kRemove)
        BULKHEAD_TRY(remove_environment(started.environments, name));
    return code;
}

}  // namespace bulkhead::runtime
