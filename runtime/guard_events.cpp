#include "runtime/guard_events.h"

#include <string.h>

#include <algorithm>
#include <string>

#include "loader/guard.h"
#include "runtime/clock.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

Json to_event(const bh_guard_refusal& row) {
    return {{"time", rfc3339(unix_ns_of_boot_ns(row.time_ns))},
            {"event", "protected"},
            {"by_hook", loader::guard_hook_name(row.hook)},
            {"comm", std::string(row.comm, ::strnlen(row.comm, sizeof row.comm))},
            {"pid", row.pid},
            {"uid", row.uid},
            {"object", row.object}};
}

}  // namespace

std::vector<Json> GuardEvents::next() {
    std::vector<Json> events;
    const auto log = loader::read_guard_log();
    // Protected anew: it counts from the beginning.
    if (!log || log->count < seen_)
        seen_ = 0;
    if (!log)
        return events;
    const std::uint64_t kept = log->count - std::min<std::uint64_t>(log->count, BH_GUARD_REFUSALS);
    if (seen_ != 0 && kept > seen_)
        events.push_back({{"time", rfc3339(unix_now_ns())},
                          {"event", "protected-lost"},
                          {"count", kept - seen_}});
    for (std::uint64_t i = std::max(seen_, kept); i < log->count; ++i)
        events.push_back(to_event(log->last[i % BH_GUARD_REFUSALS]));
    seen_ = log->count;
    return events;
}

}  // namespace bulkhead::runtime
