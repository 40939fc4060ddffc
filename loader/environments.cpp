#include "loader/environments.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loader/beancounters.h"
#include "loader/budgets.h"
#include "loader/egress_filter.h"
#include "loader/learned.h"
#include "loader/metered.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/refusals.h"
#include "loader/store_release.h"

namespace bulkhead::loader {
namespace {

// The first places of bh_environment.granted are those of the start.
constexpr std::size_t kGrantedAtStart = 4;

}  // namespace

__u64 changed(__u64 control, const ControlChange& change) {
    control = (control | change.refuse) & ~change.allow;
    if (!change.mode)
        return control;
    return (control & ~(3ULL << BH_CONTROL_MODE_SHIFT)) |
           (static_cast<__u64>(*change.mode) << BH_CONTROL_MODE_SHIFT);
}

__u64 in_generation_after(__u64 control, __u64 before) {
    constexpr __u64 kBelow = (1ULL << BH_CONTROL_GENERATION_SHIFT) - 1;
    __u64 next = (before & ~kBelow) + (1ULL << BH_CONTROL_GENERATION_SHIFT);
    if (BH_CONTROL_GENERATION(next) == 0)
        next = 1ULL << BH_CONTROL_GENERATION_SHIFT;
    return (control & kBelow) | next;
}

Environments::Environments(Records records, MapView<__u32, bh_state> states,
                           MappedArray<bh_meta> meta, MapView<int, bh_task> tasks)
    : records_(std::move(records)),
      states_(std::move(states)),
      meta_(std::move(meta)),
      tasks_(std::move(tasks)) {}

Result<Environments> Environments::open() {
    BULKHEAD_TRY_VALUE(meta, map_meta());
    BULKHEAD_TRY_VALUE(records, Records::open());
    auto states = open_pinned_map<__u32, bh_state>("bh_states");
    if (!states)
        return fail(std::move(states).error());
    BULKHEAD_TRY(records.cover(meta[0].slot_bound));
    auto tasks = open_pinned_map<int, bh_task>("bh_tasks");
    if (!tasks)
        return fail(std::move(tasks).error());
    return Environments(std::move(records), std::move(*states), std::move(meta), std::move(*tasks));
}

Result<bh_label> Environments::reserve(std::string_view name) {
    if (name.empty() || name.size() >= BH_NAME_BYTES)
        return fail_usage("an environment's name has 1 to 63 bytes");
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (meta_[0].next_serial == 0)
        return fail(Error(ENOENT, "the programs were unloaded meanwhile"));
    BULKHEAD_TRY(records_.cover(meta_[0].slot_bound + std::size_t{1}));
    if (find(name))
        return fail(Error(EEXIST, "the name " + std::string(name) + " is taken"));
    for (std::size_t slot = 0; slot < records_.covered(); ++slot) {
        bh_environment& record = records_[slot];
        if (record.serial != 0)
            continue;
        bh_label label{static_cast<__u32>(slot), meta_[0].next_serial++};
        meta_[0].slot_bound = std::max(meta_[0].slot_bound, label.slot + 1);
        BULKHEAD_TRY(states_.put(label.slot, bh_state{}));
        std::memset(&record, 0, sizeof record);
        record.control = kDefaultControl;
        std::memcpy(record.name, name.data(), name.size());
        store_release(record.serial, label.serial);
        return label;
    }
    return fail(Error(ENOSPC, "all " + std::to_string(BH_MAX_ENVIRONMENTS) +
                                  " slots for environments are taken"));
}

Status Environments::grant(bh_label label, const bh_inode& inode) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (!is_live(label))
        return fail(Error(ESTALE, "the environment is gone"));
    bh_inode* places = records_[label.slot].granted;
    for (std::size_t i = 0; i < BH_MAX_GRANTED; ++i) {
        if (places[i].ino == inode.ino && places[i].dev == inode.dev)
            return {};
    }
    for (std::size_t i = BH_MAX_GRANTED - 1; i > kGrantedAtStart; --i)
        places[i] = places[i - 1];
    places[kGrantedAtStart] = inode;
    return {};
}

void Environments::note_counting(bh_label label) const {
    records_[label.slot].flags |= BH_ENV_COUNTED;
}

void Environments::note_budgets(bh_label label) const {
    records_[label.slot].flags |= BH_ENV_BUDGETED;
}

void Environments::note_governed(bh_label label) const {
    // The word first: an agent that finds it set and no environment has looked in vain.
    store_release(meta_[0].governed, __u32{1});
    records_[label.slot].flags |= BH_ENV_GOVERNED;
}

void Environments::settle_governed(bh_label leaving) const {
    bool needed = false;
    for_each([&](bh_label label, const bh_environment& record) {
        needed =
            needed || (label.serial != leaving.serial && (record.flags & BH_ENV_GOVERNED) != 0);
    });
    store_release(meta_[0].governed, __u32{needed ? 1U : 0U});
}

Result<bool> Environments::withdraw(bh_label label) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (!is_live(label))
        return false;
    bh_environment& record = records_[label.slot];
    BULKHEAD_TRY_VALUE(state, states_.find(label.slot));
    const __u64 recorded = state ? state->refusal_count : 0;
    const __u64 learned = state ? state->learned : 0;
    if ((record.flags & BH_ENV_RULES) != 0)
        BULKHEAD_TRY(withdraw_rules(label));
    BULKHEAD_TRY(stop_metering(label, record));
    BULKHEAD_TRY(settle_egress_filter(label, record.control, 0));
    if (needs_on_demand(demand_of(record.control, record.flags)))
        BULKHEAD_TRY(settle_on_demand(*this, label));
    if ((record.flags & BH_ENV_COUNTED) != 0)
        BULKHEAD_TRY(stop_counting(*this, label));
    if ((record.flags & BH_ENV_BUDGETED) != 0)
        BULKHEAD_TRY(stop_spending(*this, label));
    if ((record.flags & BH_ENV_GOVERNED) != 0)
        settle_governed(label);
    BULKHEAD_TRY(forget_refusals(label, recorded));
    BULKHEAD_TRY(forget_learned(label, learned));
    // The record goes last: whoever is killed before this leaves the rest to the next sweep.
    store_release(record.serial, __u32{0});
    lower_slot_bound();
    return true;
}

void Environments::retire() const {
    store_release(meta_[0].next_serial, __u32{0});
}

Status Environments::label_task(int pidfd, bh_label label, TaskOf of) const {
    bh_task task{};
    task.label = label;
    task.of_exec = of == TaskOf::kExec ? 1 : 0;
    return tasks_.put(pidfd, task);
}

Result<std::optional<bh_label>> Environments::label_of(int pidfd) const {
    BULKHEAD_TRY_VALUE(task, tasks_.find(pidfd));
    if (!task || task->label.serial == 0)
        return std::optional<bh_label>{};
    return std::optional(task->label);
}

std::optional<bh_label> Environments::find(std::string_view name) const {
    for (std::size_t slot = 0; slot < slots(); ++slot) {
        const bh_environment& record = records_[slot];
        if (record.serial != 0 && name == record.name)
            return bh_label{static_cast<__u32>(slot), record.serial};
    }
    return std::nullopt;
}

const bh_environment* Environments::record(bh_label label) const {
    return is_live(label) ? &records_[label.slot] : nullptr;
}

const bh_state* Environments::state(bh_label label) const {
    if (!is_live(label))
        return nullptr;
    if (!mapped_states_) {
        auto mapped = MappedArray<bh_state>::map(states_.fd(), BH_MAX_ENVIRONMENTS,
                                                 MappedArray<bh_state>::Access::kRead, "bh_states");
        if (!mapped)
            return nullptr;
        mapped_states_.emplace(std::move(*mapped));
    }
    return &(*mapped_states_)[label.slot];
}

Result<bh_state> Environments::copy_state(bh_label label) const {
    BULKHEAD_TRY_VALUE(state, states_.find(label.slot));
    if (!is_live(label) || !state)
        return fail(Error(ESTALE, "the environment is gone"));
    return *state;
}

std::size_t Environments::count() const {
    std::size_t live = 0;
    for_each([&](bh_label, const bh_environment&) { ++live; });
    return live;
}

void Environments::for_each(
    const std::function<void(bh_label, const bh_environment&)>& visit) const {
    for (std::size_t slot = 0; slot < slots(); ++slot) {
        const bh_environment& record = records_[slot];
        if (record.serial != 0)
            visit(bh_label{static_cast<__u32>(slot), record.serial}, record);
    }
}

bool Environments::is_live(bh_label label) const {
    return label.serial != 0 && label.slot < slots() && records_[label.slot].serial == label.serial;
}

std::size_t Environments::slots() const {
    const std::size_t bound = std::min<std::size_t>(meta_[0].slot_bound, BH_MAX_ENVIRONMENTS);
    if (bound <= records_.covered() || records_.cover(bound))
        return bound;
    return records_.covered();
}

void Environments::lower_slot_bound() {
    __u32 bound = meta_[0].slot_bound;
    while (bound != 0 && bound <= records_.covered() && records_[bound - 1].serial == 0)
        --bound;
    meta_[0].slot_bound = bound;
}

}  // namespace bulkhead::loader
