// Publishing what environments may do: rows first, then one store, then the rows that it replaced.
#include <cerrno>
#include <cstring>

#include "loader/egress_filter.h"
#include "loader/environments.h"
#include "loader/metered.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/rules.h"
#include "loader/store_release.h"

namespace bulkhead::loader {
namespace {

__u32 generation_of(__u64 control) {
    return static_cast<__u32>(BH_CONTROL_GENERATION(control));
}

// Refused is everything, by a generation of which there are no rows.
__u64 refusing_all_after(__u64 control) {
    return in_generation_after((1ULL << BH_MAX_CLASSES) - 1, control);
}

constexpr __u64 kModeBits = 3ULL << BH_CONTROL_MODE_SHIFT;
constexpr __u64 kTreeClasses = 1ULL << BH_CLASS_PATHS | 1ULL << BH_CLASS_EXECUTION;

// Without rules about paths a class of them would refuse every file.
Status check_has_tree(bh_label label, __u64 before, __u64 after) {
    if ((after & ~before & kTreeClasses) == 0)
        return {};
    BULKHEAD_TRY_VALUE(is_there, has_tree(label, generation_of(before)));
    if (is_there)
        return {};
    return fail(Error(0, "the policy has no rules about paths", Fault::kUsage)
                    .advise("bulkhead policy apply publishes one with [files]"));
}

Status gone() {
    return fail(Error(ESTALE, "the environment is gone"));
}

}  // namespace

Status Environments::publish(bh_label label, const bh_environment& filled) {
    if (!is_live(label))
        return gone();
    bh_environment& record = records_[label.slot];
    bh_environment copy = filled;
    copy.serial = record.serial;
    copy.control = record.control;
    copy.flags |= record.flags & (BH_ENV_COUNTED | BH_ENV_BUDGETED | BH_ENV_GOVERNED);
    std::memcpy(copy.name, record.name, sizeof copy.name);
    // What is attached stands in the record first: whoever withdraws it finds what to undo.
    std::memcpy(&record, &copy, sizeof copy);
    BULKHEAD_TRY(start_metering(label, filled));
    // Nobody may take away meanwhile what this word needs.
    UniqueFd lock;
    if (needs_on_demand(demand_of(record.control | filled.control, record.flags))) {
        BULKHEAD_TRY_VALUE(held, lock_pins());
        lock = std::move(held);
    }
    return store_control(label, filled.control);
}

Status Environments::publish(bh_label label, const bh_environment& filled, const Rules& rules) {
    bh_environment copy = filled;
    copy.control = rules.control;
    if (!rules.has_rows())
        return publish(label, copy);
    if (!is_live(label))
        return gone();
    {
        BULKHEAD_TRY_VALUE(lock, lock_pins());
        records_[label.slot].flags |= BH_ENV_RULES | BH_ENV_PUBLISHING;
        BULKHEAD_TRY(write_rows(label, generation_of(rules.control), rules));
    }
    copy.flags |= BH_ENV_RULES | rules.demand_flags();
    return publish(label, copy);
}

Status Environments::store_control(bh_label label, __u64 control) {
    bh_environment& record = records_[label.slot];
    const __u64 before = record.control;
    BULKHEAD_TRY(attach_on_demand(demand_of(control, record.flags)));
    BULKHEAD_TRY(prepare_egress_filter(label, record.cgroup_id, control, record.flags));
    store_release(record.control, control);
    if (needs_on_demand(demand_of(before, record.flags)))
        BULKHEAD_TRY(settle_on_demand(*this));
    return settle_egress_filter(label, before, control);
}

Status Environments::set_control(bh_label label, __u64 control) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    return is_live(label) ? store_control(label, control) : gone();
}

Status Environments::change(bh_label label, const ControlChange& change) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (!is_live(label))
        return gone();
    const __u64 before = records_[label.slot].control;
    const __u64 after = changed(before, change);
    BULKHEAD_TRY(check_has_tree(label, before, after));
    // What was found for a file no longer holds where it could be moved to other rights.
    if (((before ^ after) & (kTreeClasses | kModeBits)) != 0)
        records_[label.slot].flags |= BH_ENV_UNJUDGED;
    return store_control(label, after);
}

Status Environments::publish_rules(bh_label label, const Rules& rules,
                                   const std::function<Status(__u32 generation)>& before) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (!is_live(label))
        return gone();
    bh_environment& record = records_[label.slot];
    const __u32 last = generation_of(record.control);
    const __u64 control = in_generation_after(rules.control, record.control);
    const __u32 next = generation_of(control);
    const bool had_rows = (record.flags & BH_ENV_RULES) != 0;
    // Of a generation that was never published there may be rows that these rules do not have.
    if ((record.flags & BH_ENV_PUBLISHING) != 0)
        BULKHEAD_TRY(erase_other_rows(label, last));
    const __u32 flags = record.flags & ~static_cast<__u32>(BH_ENV_PUBLISHING);
    if (had_rows || rules.has_rows())
        record.flags |= BH_ENV_RULES | BH_ENV_PUBLISHING;
    if (rules.has_rows()) {
        if (auto written = write_rows(label, next, rules); !written) {
            record.flags = flags;
            return written;
        }
    }
    record.flags |= rules.demand_flags();
    auto agreed = before(next);
    if (agreed)
        agreed = store_control(label, control);
    if (record.control != control) {
        if (rules.has_rows())
            BULKHEAD_TRY(erase_rows(label, next));
        BULKHEAD_TRY(settle_flags(label, flags));
        return agreed;
    }
    if (had_rows)
        BULKHEAD_TRY(erase_rows(label, last));
    const __u32 kept = flags & ~(BH_ENV_RULES | BH_ENV_UNJUDGED | kDemandFlags);
    BULKHEAD_TRY(settle_flags(
        label, kept | rules.demand_flags() | (rules.has_rows() ? __u32{BH_ENV_RULES} : 0)));
    return agreed;
}

// What the flags no longer ask for is taken off its hooks.
Status Environments::settle_flags(bh_label label, __u32 flags) {
    bh_environment& record = records_[label.slot];
    const __u32 gone = record.flags & ~flags & kDemandFlags;
    record.flags = flags;
    if ((gone & BH_ENV_NAMES) != 0)
        BULKHEAD_TRY(detach_names(label));
    return gone == 0 ? Status{} : settle_on_demand(*this);
}

Status Environments::withdraw_rules(bh_label label) {
    bh_environment& record = records_[label.slot];
    const __u32 last = generation_of(record.control);
    const bool many = (record.flags & BH_ENV_PUBLISHING) != 0;
    record.flags |= BH_ENV_PUBLISHING;
    store_release(record.control, refusing_all_after(record.control));
    // No generation has the number 0.
    return many ? erase_other_rows(label, 0) : erase_rows(label, last);
}

}  // namespace bulkhead::loader
