// The environments as the kernel programs know them: one record each in bh_envs, published and
// changed by writing to it.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "bpf/wire.h"
#include "loader/map_view.h"
#include "loader/records.h"
#include "loader/result.h"

namespace bulkhead::loader {

// All classes but those that only a policy asks for, enforced, generation 1: what an environment
// starts with.
inline constexpr __u64 kDefaultControl =
    (1ULL << BH_CONTROL_GENERATION_SHIFT) | ((1ULL << BH_FIRST_POLICY_CLASS) - 1);

struct Rules;

// What changes of a control word while its generation, and with it the rows of rules, stays.
struct ControlChange {
    __u64 allow = 0;  // classes, a bit each
    __u64 refuse = 0;
    std::optional<bh_mode> mode = std::nullopt;
};
__u64 changed(__u64 control, const ControlChange& change);

// `control` with the number of the generation after that of `before`.
__u64 in_generation_after(__u64 control, __u64 before);

// A view of the pinned maps. Rows are read in place: what the kernel counts moves under the eye.
class Environments {
public:
    // ENOENT when nothing is loaded.
    static Result<Environments> open();

    // Takes a free slot for `name` and a serial that was never used. The record refuses
    // everything until publish(). EEXIST: the name is taken; ENOSPC: all slots are; ENOENT: the
    // programs were unloaded since open().
    Result<bh_label> reserve(std::string_view name);

    // Fills in the reserved record, then stores its control word last. `record.serial` and
    // `record.name` are ignored. None of those that change a record is for whoever holds
    // lock_pins().
    Status publish(bh_label label, const bh_environment& record);
    // Likewise with the rows of `rules`, whose control word it is: they are there before.
    Status publish(bh_label label, const bh_environment& record, const Rules& rules);

    // Stores another control word: live, atomic, for every later hook. No rows go with it.
    // ESTALE: that environment is gone.
    Status set_control(bh_label label, __u64 control);

    // Changes classes and mode of what is published by one store. The rules stay: it is the same
    // generation, so that no row is written and no map can be full. ESTALE as above.
    Status change(bh_label label, const ControlChange& change);

    // Publishes other rules, live and atomic: writes the rows of the next generation, calls
    // before(generation), stores the control word, deletes the rows of the last generation. When
    // anything before the store fails, nothing has changed. ENOSPC: a map is full.
    Status publish_rules(bh_label label, const Rules& rules,
                         const std::function<Status(__u32 generation)>& before);

    // Lets the environment open an inode that lies elsewhere, which a process of it inherits as a
    // standard descriptor. There are BH_MAX_GRANTED places; the oldest later one gives way.
    Status grant(bh_label label, const bh_inode& inode);

    // Under lock_pins(), before anything of a live environment is counted: withdraw() ends that.
    void note_counting(bh_label label) const;
    // Likewise before it has a budget.
    void note_budgets(bh_label label) const;
    // Likewise before there is anything that an agent is to do for it.
    void note_governed(bh_label label) const;

    // Frees what belongs to the record, then withdraws it: whoever is killed half-way leaves a
    // record by which the next one finds the rest. Tasks that still carry the label are refused
    // everything from then on. False: it was gone already.
    Result<bool> withdraw(bh_label label);

    // Whoever has these maps open takes no slot any more. Under lock_pins(), before they go.
    void retire() const;

    // Labels a task and with it all that it will create. `of`: whether it is to begin an exec.
    // ESRCH: it has ended.
    enum class TaskOf { kLife, kExec };
    Status label_task(int pidfd, bh_label label, TaskOf of = TaskOf::kLife) const;

    // Whose the task is; none: the host's. ESRCH: it has ended.
    [[nodiscard]] Result<std::optional<bh_label>> label_of(int pidfd) const;

    [[nodiscard]] std::optional<bh_label> find(std::string_view name) const;
    [[nodiscard]] const bh_environment* record(bh_label label) const;
    // Mapped at the first call: a start that meets no other environment does not pay for it.
    [[nodiscard]] const bh_state* state(bh_label label) const;
    // A copy of the same: one look-up, for whoever needs it once.
    [[nodiscard]] Result<bh_state> copy_state(bh_label label) const;
    // CLOCK_BOOTTIME at which the programs were loaded: serials count from there.
    [[nodiscard]] __u64 loaded_ns() const { return meta_[0].loaded_ns; }
    // Whether anything was ever started by exec: before that there are no rows to look for.
    [[nodiscard]] bool had_execs() const { return meta_[0].last_exec != 0; }
    // Whether a pass of bh_meter has found that the kernel adds up all counts of a cgroup at once.
    [[nodiscard]] bool is_flushed_together() const {
        return (meta_[0].flags & BH_META_FLUSHED_TOGETHER) != 0;
    }
    [[nodiscard]] std::size_t count() const;
    // In the order of their slots.
    void for_each(const std::function<void(bh_label, const bh_environment&)>& visit) const;

private:
    Environments(Records records, MapView<__u32, bh_state> states, MappedArray<bh_meta> meta,
                 MapView<int, bh_task> tasks);

    [[nodiscard]] bool is_live(bh_label label) const;
    // Stores `control`, with the programs there that it needs. Under lock_pins() where one of the
    // two words needs programs on demand.
    Status store_control(bh_label label, __u64 control);
    Status settle_flags(bh_label label, __u32 flags);
    Status withdraw_rules(bh_label label);
    // How many slots to look at, all of them mapped.
    [[nodiscard]] std::size_t slots() const;
    void lower_slot_bound();
    void settle_governed(bh_label leaving) const;

    mutable Records records_;
    MapView<__u32, bh_state> states_;
    mutable std::optional<MappedArray<bh_state>> mapped_states_;
    MappedArray<bh_meta> meta_;
    MapView<int, bh_task> tasks_;
};

}  // namespace bulkhead::loader
