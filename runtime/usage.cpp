#include "runtime/usage.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <numeric>

#include "loader/cgroup_programs.h"
#include "loader/governed.h"
#include "loader/meters.h"
#include "loader/refusals.h"
#include "runtime/clock.h"
#include "runtime/life.h"
#include "runtime/start.h"

namespace bulkhead::runtime {
namespace {

Traffic traffic(const bh_traffic& counted) {
    return {counted.bytes, counted.packets};
}

Transfer transfer(const bh_usage& usage, bh_io direction) {
    return {usage.io_bytes[direction], usage.io_operations[direction]};
}

Pressure pressure(const bh_usage& usage, bh_pressure resource) {
    return {usage.pressure_some_ns[resource], usage.pressure_full_ns[resource]};
}

constexpr std::uint64_t kPageBytes = 4096;  // of x86-64; what the kernel counts in

// The kernel counts page-milliseconds.
std::uint64_t byte_seconds(std::uint64_t page_ms) {
    return page_ms / 1000 * kPageBytes + page_ms % 1000 * kPageBytes / 1000;
}

std::vector<Refusals> refusals(const bh_state& state) {
    std::vector<Refusals> all;
    all.reserve(BH_CLASS_COUNT);
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        all.push_back(
            {loader::class_name(class_id), state.refused[class_id], state.audited[class_id]});
    return all;
}

void copy_cgroup(const bh_usage& from, Usage& to) {
    to.cpu_user_ns = from.cpu_user_ns;
    to.cpu_system_ns = from.cpu_system_ns;
    to.cpu_ns = from.cpu_ns;
    to.cpu_nice_ns = from.cpu_nice_ns;
    to.throttling = {from.throttled_ns, from.periods, from.throttled_periods};
    to.memory_bytes = from.memory_bytes;
    to.memory_peak_bytes = from.memory_peak_bytes;
    to.swap_bytes = from.swap_bytes;
    to.anon_bytes = from.anon_bytes;
    to.file_bytes = from.file_bytes;
    to.shmem_bytes = from.shmem_bytes;
    to.kernel_bytes = from.kernel_bytes;
    to.slab_bytes = from.slab_bytes;
    to.sock_bytes = from.sock_bytes;
    to.faults = from.faults;
    to.major_faults = from.major_faults;
    to.scanned_bytes = from.scanned_pages * kPageBytes;
    to.reclaimed_bytes = from.reclaimed_pages * kPageBytes;
    to.oom_kills = from.oom_kills;
    to.tasks = from.processes;
    to.tasks_peak = from.processes_peak;
    to.read = transfer(from, BH_IO_READ);
    to.written = transfer(from, BH_IO_WRITE);
    to.cpu_pressure = pressure(from, BH_PRESSURE_CPU);
    to.memory_pressure = pressure(from, BH_PRESSURE_MEMORY);
    to.io_pressure = pressure(from, BH_PRESSURE_IO);
}

void copy_counts(const bh_counts& from, Usage& to) {
    to.run_queue_delay_ns = from.run_delay_ns;
    std::copy(std::begin(from.waits), std::end(from.waits), to.waits.begin());
    to.preempted = preempted_of(from.preempted);
    to.forks = from.forks;
    to.execs = from.execs;
    for (unsigned family = 0; family < BH_FAMILY_COUNT; ++family)
        to.network[family] = {traffic(from.traffic[BH_RECEIVED][family]),
                              traffic(from.traffic[BH_SENT][family]), from.connects[family],
                              from.unreached[family]};
    to.memory_byte_seconds = byte_seconds(from.memory_page_ms);
}

void copy_refusals(const bh_state& from, Usage& to) {
    to.refusals = refusals(from);
    to.internal_refusals = from.internal;
    to.unrecorded_refusals = from.unrecorded;
    to.unlearned = from.unlearned;
}

// None when they cannot be read: the rest is worth having without them.
void copy_governed(const loader::MeterView& reading, Usage& to) {
    if ((reading.record.flags & (BH_ENV_BUDGETED | BH_ENV_GOVERNED)) == 0)
        return;
    const auto row = loader::read_governed(reading.label);
    if (!row || !*row)
        return;
    to.budgets = budgets_in(**row, boot_time_ns());
    const bh_governed& governed = (*row)->governed;
    to.budget_actions = {governed.times[BH_ON_THROTTLE], governed.times[BH_ON_PAUSE],
                         governed.times[BH_ON_STOP]};
    const bh_plan& memory = governed.plans[BH_PLAN_MEMORY];
    const bh_plan& cpus = governed.plans[BH_PLAN_CPUS];
    to.has_plans = memory.least != 0 || cpus.least != 0;
    to.plan_moves = {memory.raised, memory.lowered, cpus.raised, cpus.lowered};
}

}  // namespace

Preempted preempted_of(const __u64 (&from)[BH_PREEMPTOR_COUNT]) {
    return {from[BH_PREEMPTED_BY_ITSELF], from[BH_PREEMPTED_BY_OTHERS], from[BH_PREEMPTED_BY_HOST]};
}

bool FamilyTraffic::is_none() const {
    return received.packets + sent.packets + connects + refused == 0;
}

Traffic Usage::received() const {
    Traffic sum;
    for (const FamilyTraffic& one : network) {
        sum.bytes += one.received.bytes;
        sum.packets += one.received.packets;
    }
    return sum;
}

Traffic Usage::sent() const {
    Traffic sum;
    for (const FamilyTraffic& one : network) {
        sum.bytes += one.sent.bytes;
        sum.packets += one.sent.packets;
    }
    return sum;
}

std::uint64_t Usage::refused() const {
    return std::accumulate(
        refusals.begin(), refusals.end(), std::uint64_t{0},
        [](std::uint64_t sum, const Refusals& one) { return sum + one.refused; });
}

Usage usage_of(const loader::MeterView& reading) {
    Usage usage;
    usage.environment = reading.record.name;
    usage.serial = reading.label.serial;
    usage.best_effort = (reading.record.flags & BH_ENV_BEST_EFFORT) != 0;
    usage.started_unix_ns = unix_ns_of_boot_ns(reading.record.started_ns);
    copy_cgroup(reading.usage, usage);
    copy_counts(reading.state.counts, usage);
    copy_refusals(reading.state, usage);
    copy_governed(reading, usage);
    return usage;
}

Usage usage_of(const loader::MeterReading& reading) {
    return usage_of(reading.view());
}

Result<std::vector<Usage>> read_all_usage(const std::string& parent_cgroup) {
    std::vector<Usage> all;
    const UniqueFd parent(::open(parent_cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent && errno != ENOENT)
        return fail_errno("open " + parent_cgroup);
    auto meters = loader::Meters::open();
    if (!meters && meters.error().code() == ENOENT)
        return all;
    if (!meters)
        return fail(std::move(meters).error());
    const auto keep = [&](const loader::MeterView& reading) { all.push_back(usage_of(reading)); };
    // Without the parent no environment was ever started.
    if (parent)
        BULKHEAD_TRY(meters->read(parent.get(), loader::Scope::kDescendants, keep));
    BULKHEAD_TRY(meters->read_adopted(keep));
    return all;
}

Result<Usage> read_usage_of(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    BULKHEAD_TRY_VALUE(cgroup, loader::open_cgroup(environments.record(label)->cgroup_id));
    return read_usage(cgroup.get());
}

Result<Usage> read_usage(int cgroup_fd) {
    BULKHEAD_TRY_VALUE(meters, loader::Meters::open());
    BULKHEAD_TRY_VALUE(reading, meters.read_self(cgroup_fd));
    return usage_of(reading);
}

}  // namespace bulkhead::runtime
