#include "loader/beancounters.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>

#include "loader/environments.h"
#include "loader/held.h"
#include "loader/map_view.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/slot_row.h"
#include "loader/store_release.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kRows = "bh_beans";

constexpr __u32 bit(unsigned counter) {
    return 1U << counter;
}

using Programs = std::span<const std::string_view>;

// Programs that count together, what ends an object first: attached before anything is charged.
struct Group {
    __u32 counters;
    Programs programs;
    std::string_view variant;  // in the place of the last program where the kernel takes only this
};

constexpr std::array<std::string_view, 2> kFiles = {"bh_bc_file_end", "bh_bc_file"};
constexpr std::array<std::string_view, 3> kSockets = {"bh_bc_sock_end", "bh_bc_accept",
                                                      "bh_bc_sock"};
constexpr std::array<std::string_view, 2> kTerminals = {"bh_bc_pty_end", "bh_bc_pty"};
// The three of requests under way share what ends those of a task that is gone.
constexpr std::array<std::string_view, 8> kLocks = {
    "bh_bc_lock_end",  "bh_bc_task_end", "bh_bc_lock_new", "bh_bc_setlk_end",
    "bh_bc_flock_end", "bh_bc_flock_32", "bh_bc_unlock",   "bh_bc_lock"};
constexpr std::array<std::string_view, 3> kWatches = {"bh_bc_watch_end", "bh_bc_task_end",
                                                      "bh_bc_watch"};
constexpr std::array<std::string_view, 3> kSignals = {"bh_bc_sig_end", "bh_bc_task_end",
                                                      "bh_bc_sig"};
constexpr std::array<std::string_view, 1> kTasks = {"bh_bc_fork"};
constexpr std::array<std::string_view, 1> kPages = {"bh_bc_oom"};
constexpr std::array<std::string_view, 1> kSwap = {"bh_bc_swap"};

// Not loaded where the kernel has no calls of 32 bits.
constexpr std::string_view kOptional = "bh_bc_flock_32";

constexpr __u32 kOfUsers = bit(BH_BEANCOUNTER_NUMINOTIFY) | bit(BH_BEANCOUNTER_NUMSIGINFO);
constexpr __u32 kOfCgroup =
    bit(BH_BEANCOUNTER_NUMPROC) | bit(BH_BEANCOUNTER_PHYSPAGES) | bit(BH_BEANCOUNTER_SWAPPAGES);

constexpr std::array kGroups = {
    Group{bit(BH_BEANCOUNTER_NUMFILE), kFiles, "bh_bc_file_mod"},
    Group{bit(BH_BEANCOUNTER_NUMTCPSOCK) | bit(BH_BEANCOUNTER_NUMOTHERSOCK) |
              bit(BH_BEANCOUNTER_NUMUNIXSOCK),
          kSockets, ""},
    Group{bit(BH_BEANCOUNTER_NUMPTY), kTerminals, ""},
    Group{bit(BH_BEANCOUNTER_NUMFLOCK), kLocks, ""},
    Group{bit(BH_BEANCOUNTER_NUMINOTIFY), kWatches, ""},
    Group{bit(BH_BEANCOUNTER_NUMSIGINFO), kSignals, ""},
    Group{bit(BH_BEANCOUNTER_NUMPROC), kTasks, ""},
    Group{bit(BH_BEANCOUNTER_PHYSPAGES), kPages, ""},
    Group{bit(BH_BEANCOUNTER_SWAPPAGES), kSwap, ""},
};

const Group* group_of(unsigned counter) {
    const auto* found = std::find_if(kGroups.begin(), kGroups.end(), [=](const Group& group) {
        return (group.counters & bit(counter)) != 0;
    });
    return found == kGroups.end() ? nullptr : found;
}

// Where a group's program is pinned; of a variant only one is.
std::string_view loaded_name(const Group& group, std::string_view program) {
    const bool has_variant = !group.variant.empty() && program == group.programs.back();
    const bool absent = ::access(program_pin(program).c_str(), F_OK) != 0;
    return has_variant && absent ? group.variant : program;
}

bool is_loaded(const Group& group, std::string_view program) {
    return ::access(program_pin(loaded_name(group, program)).c_str(), F_OK) == 0;
}

Status attach(const Group& group) {
    for (const std::string_view program : group.programs)
        if (program != kOptional || is_loaded(group, program))
            BULKHEAD_TRY(attach_pinned(loaded_name(group, program)));
    return {};
}

// `counted`: the counters that somebody asks for.
bool is_needed(std::string_view program, __u32 counted) {
    return std::any_of(kGroups.begin(), kGroups.end(), [&](const Group& group) {
        const auto& names = group.programs;
        return (group.counters & counted) != 0 &&
               std::find(names.begin(), names.end(), program) != names.end();
    });
}

Status detach(const Group& group, __u32 counted) {
    // What ends objects leaves last: nothing is charged any more.
    for (auto program = group.programs.rbegin(); program != group.programs.rend(); ++program) {
        if (is_needed(*program, counted))
            continue;
        const std::string pin = link_pin(loaded_name(group, *program));
        if (::unlink(pin.c_str()) != 0 && errno != ENOENT)
            return fail_errno("remove " + pin);
    }
    return {};
}

// The number of the link that has been there without a break: the kernel gives each another.
Result<__u32> epoch_of(const Group& group) {
    const std::string_view first = group.programs.front();
    BULKHEAD_TRY_VALUE(link, open_pinned(link_pin(loaded_name(group, first))));
    bpf_link_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &bytes) != 0)
        return fail_errno("ask for the link of " + std::string(first));
    return info.id;
}

// Whether what is asked for can be counted for this environment.
Status check_countable(const bh_environment& record, const Group& group, unsigned counter) {
    for (const std::string_view program : group.programs)
        if (program != kOptional && !is_loaded(group, program))
            return fail(Error(0,
                              std::string("this kernel lacks a function that tells of what ") +
                                  beancounter_name(counter) + " counts",
                              Fault::kUnsupported)
                            .advise("docs/kernel-requirements.md lists the kernels"));
    if ((kOfUsers & bit(counter)) == 0)
        return {};
    // One that is being started has no record yet, and will have its own.
    if (record.cgroup_id != 0 && record.user_ns == 0)
        return fail_usage(
            std::string(beancounter_name(counter)) +
            " is counted in a user namespace, and the environment has none of its own");
    return find_user_counts();
}

using Row = SlotRow<bh_beancounters>;

// An earlier environment of the slot may have objects that are freed at this moment.
void take_over(bh_beancounters& row, __u32 serial) {
    if (row.serial == serial)
        return;
    store_release(row.counted, __u32{0});
    if (row.serial != 0) {
        store_release(row.serial, __u32{0});
        wait_for_programs();
    }
    std::fill(std::begin(row.counters), std::end(row.counters), bh_beancounter{});
    store_release(row.serial, serial);
}

void begin(bh_beancounters& row, unsigned counter, __u32 epoch) {
    bh_beancounter& begun = row.counters[counter];
    if (begun.epoch == epoch)
        return;
    if (begun.epoch != 0) {
        store_release(begun.epoch, __u32{0});
        wait_for_programs();
    }
    begun.held = 0;
    begun.maxheld = 0;
    store_release(begun.epoch, epoch);
}

Result<__u32> counted_by(bh_label label) {
    BULKHEAD_TRY_VALUE(row, read_beancounters(label));
    return row ? row->counted : 0;
}

// As if there were no environment of the label `leaving`.
Status settle(const Environments& environments, bh_label leaving = {}) {
    __u32 needed = 0;
    Status failed;
    environments.for_each([&](bh_label label, const bh_environment&) {
        if (label.serial == leaving.serial)
            return;
        if (const auto counted = counted_by(label))
            needed |= *counted;
        else
            failed = fail(Error(counted.error()));
    });
    BULKHEAD_TRY(failed);
    for (const Group& group : kGroups) {
        if ((group.counters & needed) == 0)
            BULKHEAD_TRY(detach(group, needed));
    }
    return {};
}

}  // namespace

bool counts_objects(std::string_view program) {
    return std::any_of(kGroups.begin(), kGroups.end(), [&](const Group& group) {
        const auto& names = group.programs;
        return program == group.variant ||
               std::find(names.begin(), names.end(), program) != names.end();
    });
}

const char* beancounter_name(unsigned counter) {
    static constexpr std::array kNames = {
#define BH_BEANCOUNTER_NAME(id, name) #name,
        BH_BEANCOUNTERS(BH_BEANCOUNTER_NAME)
#undef BH_BEANCOUNTER_NAME
    };
    return counter < kNames.size() ? kNames[counter] : "?";
}

Status set_bounds(const Environments& environments, bh_label label, bh_beancounter_id counter,
                  Bounds bounds) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    const Group* group = group_of(counter);
    if (group == nullptr)
        return fail_usage(std::string(beancounter_name(counter)) + " is not counted by programs");
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    BULKHEAD_TRY(check_countable(*record, *group, counter));
    environments.note_counting(label);
    BULKHEAD_TRY(attach(*group));
    BULKHEAD_TRY_VALUE(epoch, epoch_of(*group));
    BULKHEAD_TRY_VALUE(row, Row::open(kRows, label.slot));
    take_over(*row, label.serial);
    begin(*row, counter, epoch);
    // Where a barrier is below what is held already, the next look finds that out.
    if ((kOfCgroup & bit(counter)) != 0)
        store_release(row->counters[counter].held, __u64{0});
    store_release(row->counters[counter].barrier, bounds.barrier);
    store_release(row->counters[counter].limit, bounds.limit);
    store_release(row->counted, row->counted | bit(counter));
    return {};
}

Status clear_bounds(const Environments& environments, bh_label label, bh_beancounter_id counter) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(counted, counted_by(label));
    if ((counted & bit(counter)) == 0)
        return {};
    BULKHEAD_TRY_VALUE(row, Row::open(kRows, label.slot));
    store_release(row->counted, row->counted & ~bit(counter));
    return settle(environments);
}

Result<std::optional<bh_beancounters>> read_beancounters(bh_label label) {
    const auto rows = open_pinned_map<__u32, bh_beancounters>(kRows);
    if (!rows)
        return fail(Error(rows.error()));
    BULKHEAD_TRY_VALUE(row, rows->find(label.slot));
    if (!row || row->serial != label.serial)
        return std::optional<bh_beancounters>{};
    return row;
}

Status stop_counting(const Environments& environments, bh_label label) {
    BULKHEAD_TRY_VALUE(counted, counted_by(label));
    return counted == 0 ? Status{} : settle(environments, label);
}

}  // namespace bulkhead::loader
