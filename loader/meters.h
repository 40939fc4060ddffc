// Reading what environments use: one pass over their cgroups for all of them.
#pragma once

#include <functional>

#include "bpf/wire.h"
#include "loader/map_view.h"
#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

class Environments;
struct MeterReading;

// An environment's rows as of one pass, where they are: copying them would cost a tenth of it.
struct MeterView {
    bh_label label;
    const bh_environment& record;
    const bh_usage& usage;
    const bh_state& state;

    [[nodiscard]] MeterReading copy() const;
};

// Copies of them, nearly two kilobytes.
struct MeterReading {
    bh_label label;
    bh_environment record;
    bh_usage usage;
    bh_state state;

    [[nodiscard]] MeterView view() const { return {label, record, usage, state}; }
};

inline MeterReading MeterView::copy() const {
    return {label, record, usage, state};
}

// How a cgroup's children are read.
enum class Scope {
    kDescendants,  // the descriptor is the environments' parent
    kSelf,         // the descriptor is the one environment's cgroup
};

class Meters {
public:
    // ENOENT when nothing is loaded.
    static Result<Meters> open();

    using Visit = std::function<void(const MeterView&)>;

    // One pass. `cgroup`: a directory on cgroup2, not its root (whose files flush nothing).
    // Visits the published environments whose cgroups the pass met, in the order of their
    // slots. Passes of several processes take turns.
    Status read(int cgroup, Scope scope, const Visit& visit);

    // The adopted environments, whose cgroups lie anywhere. One whose cgroup is gone is left out.
    Status read_adopted(const Visit& visit);

    // Of the one environment whose cgroup this is, pressure up to this moment. ENOENT: it is none.
    Result<MeterReading> read_self(int cgroup);

private:
    Meters(UniqueFd program, MappedArray<bh_meta> meta, MappedArray<bh_environment> records,
           MappedArray<bh_state> states, MappedArray<bh_usage> usage);

    Status flush_all(int cgroup, Scope scope) const;

    UniqueFd program_;
    MappedArray<bh_meta> meta_;
    MappedArray<bh_environment> records_;
    MappedArray<bh_state> states_;
    MappedArray<bh_usage> usage_;
};

// Of the environment whose cgroup this is, in which nothing runs any more: the last reading. The
// end of every environment pays for it, so that it maps no rows and has no lock: what it reads does
// not move any more. A cgroup that was removed meanwhile was read by the kernel. ESTALE: that
// environment is gone.
Result<MeterReading> read_final(const Environments& environments, bh_label label, int cgroup);

// What was last read of an environment whose cgroup is gone already, and what programs counted. It
// is what there was at the end where `usage.removed_ns` is not 0.
Result<MeterReading> read_last(const Environments& environments, bh_label label);

// Divides cpu_ns between user and system in the proportion of the sampled times, the way
// cpu.stat does, so that neither goes back. `usage.cpu_user_ns` and `cpu_system_ns` hold the
// previous division.
void divide_cpu_time(bh_usage& usage);

}  // namespace bulkhead::loader
