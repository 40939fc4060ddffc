#include "runtime/idle_unload.h"

#include <cerrno>
#include <utility>

#include "bpf/wire_budgets.h"
#include "loader/pins.h"
#include "runtime/life.h"
#include "runtime/refusal_report.h"

namespace bulkhead::runtime {
namespace {

Result<Occupancy> see() {
    const auto meta = loader::map_meta();
    if (!meta && meta.error().code() == ENOENT)
        return Occupancy{};
    if (!meta)
        return fail(Error(meta.error()));
    const bh_meta& row = (*meta)[0];
    return Occupancy{row.loaded_ns, row.next_serial, row.slot_bound};
}

}  // namespace

Idle look_again(const Idle& before, const Occupancy& seen, std::uint64_t now_ns) {
    return seen == before.seen && seen.slots == 0 ? before : Idle{seen, now_ns};
}

bool is_due(const Idle& idle, std::uint64_t after_ns, std::uint64_t now_ns) {
    return after_ns != BH_NEVER && idle.seen.loaded_ns != 0 && idle.seen.slots == 0 &&
           now_ns - idle.since_ns >= after_ns;
}

Result<std::uint64_t> parse_idle_after(const std::string& text) {
    if (text == "never")
        return BH_NEVER;
    auto after_ns = parse_duration(text);
    if (after_ns && *after_ns != 0)
        return after_ns;
    return fail(Error(0, "\"" + text + "\" is no time to unload after", Fault::kUsage)
                    .advise("such as 30s, 10m or 2h; never: the programs stay"));
}

IdleUnload::IdleUnload(std::uint64_t after_ns, std::function<void()> store_ended)
    : after_ns_(after_ns), store_ended_(std::move(store_ended)) {}

Result<bool> IdleUnload::once(std::uint64_t now_ns) {
    if (after_ns_ == BH_NEVER)
        return false;
    BULKHEAD_TRY_VALUE(seen, see());
    const Idle now = look_again(idle_, seen, now_ns);
    if (now.seen != idle_.seen)
        in_the_way_ = {};
    idle_ = now;
    if (is_due(idle_, after_ns_, now_ns)) {
        in_the_way_ = unload(now_ns);
        if (in_the_way_)
            return true;
    }
    return in_the_way_ ? Result<bool>(false) : fail(Error(in_the_way_.error()));
}

Status IdleUnload::unload(std::uint64_t now_ns) {
    idle_.since_ns = now_ns;
    auto done = unload_programs(loader::Unload::kUnlessProtected, UnloadCause::kIdle, store_ended_);
    if (!done)
        return fail(std::move(done).error().within(
            "no environment has lived for a time, and yet the programs stay"));
    return {};
}

}  // namespace bulkhead::runtime
