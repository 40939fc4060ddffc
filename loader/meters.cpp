#include "loader/meters.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "loader/cgroup_programs.h"
#include "loader/environments.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

// The rows of bh_usage are shared: one pass at a time. A lock of its own, as reserving a slot
// must not wait for a pass.
Result<UniqueFd> lock_rows() {
    const std::string path = std::string(kPinRoot) + "/maps";
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::flock(directory.get(), LOCK_EX) != 0)
        return fail_errno("lock " + path);
    return directory;
}

// Reading a cgroup's file makes the kernel add up its per-CPU counts for that cgroup and all
// below: of CPU (and, up to 6.15, of everything) with cpu.stat. A controller that is off has no
// file.
Status flush(int cgroup, const char* file) {
    char ignored[4096];
    const UniqueFd fd(::openat(cgroup, file, O_RDONLY | O_CLOEXEC));
    if (!fd)
        return errno == ENOENT ? Status{} : fail_errno(std::string("open ") + file);
    // ENODEV: the cgroup was removed.
    if (::read(fd.get(), ignored, sizeof ignored) < 0 && errno != ENODEV)
        return fail_errno(std::string("read ") + file);
    return {};
}

Status run_pass(int program, int cgroup, Scope scope) {
    bpf_iter_link_info target{};
    target.cgroup.cgroup_fd = static_cast<__u32>(cgroup);
    target.cgroup.order =
        scope == Scope::kSelf ? BPF_CGROUP_ITER_SELF_ONLY : BPF_CGROUP_ITER_DESCENDANTS_PRE;
    LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &target,
                .iter_info_len = sizeof target);
    const UniqueFd link(bpf_link_create(program, 0, BPF_TRACE_ITER, &options));
    if (!link)
        return fail_errno("attach bh_meter to the environments' cgroup");
    const UniqueFd pass(bpf_iter_create(link.get()));
    if (!pass)
        return fail_errno("start a pass of bh_meter");
    char nothing[64];
    ssize_t got = 0;
    while ((got = ::read(pass.get(), nothing, sizeof nothing)) > 0 || (got < 0 && errno == EAGAIN))
        continue;
    return got == 0 ? Status{} : fail_errno("read usage from the kernel");
}

__u64 boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
}

}  // namespace

void divide_cpu_time(bh_usage& usage) {
    __u64& user = usage.cpu_user_ns;
    __u64& system = usage.cpu_system_ns;
    if (user + system >= usage.cpu_ns)
        return;
    using Wide = unsigned __int128;
    const Wide sampled = Wide{usage.cpu_user_sampled_ns} + usage.cpu_system_sampled_ns;
    // Without a sample yet it is all user time, as in cpu.stat.
    const auto share =
        sampled == 0
            ? __u64{0}
            : static_cast<__u64>(Wide{usage.cpu_ns} * usage.cpu_system_sampled_ns / sampled);
    if (share > system)
        system = share;
    if (usage.cpu_ns - system > user)
        user = usage.cpu_ns - system;
    system = usage.cpu_ns - user;
}

Meters::Meters(UniqueFd program, MappedArray<bh_meta> meta, MappedArray<bh_environment> records,
               MappedArray<bh_state> states, MappedArray<bh_usage> usage)
    : program_(std::move(program)),
      meta_(std::move(meta)),
      records_(std::move(records)),
      states_(std::move(states)),
      usage_(std::move(usage)) {}

Result<Meters> Meters::open() {
    BULKHEAD_TRY_VALUE(meta, map_meta());
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin("bh_meter")));
    BULKHEAD_TRY_VALUE(
        records, map_pinned_array<bh_environment>("bh_envs", BH_MAX_ENVIRONMENTS,
                                                  MappedArray<bh_environment>::Access::kRead));
    BULKHEAD_TRY_VALUE(states, map_pinned_array<bh_state>("bh_states", BH_MAX_ENVIRONMENTS,
                                                          MappedArray<bh_state>::Access::kRead));
    BULKHEAD_TRY_VALUE(usage, map_pinned_array<bh_usage>("bh_usage", BH_MAX_ENVIRONMENTS,
                                                         MappedArray<bh_usage>::Access::kWrite));
    return Meters(std::move(program), std::move(meta), std::move(records), std::move(states),
                  std::move(usage));
}

Status Meters::flush_all(int cgroup, Scope scope) const {
    BULKHEAD_TRY(flush(cgroup, "cpu.stat"));
    if ((meta_[0].flags & BH_META_FLUSHED_TOGETHER) == 0) {
        BULKHEAD_TRY(flush(cgroup, "memory.stat"));
        BULKHEAD_TRY(flush(cgroup, "io.stat"));
    }
    // Pressure is averaged for each cgroup by itself; reading one of the three files does all.
    return scope == Scope::kSelf ? flush(cgroup, "cpu.pressure") : Status{};
}

Status Meters::read(int cgroup, Scope scope, const Visit& visit) {
    BULKHEAD_TRY_VALUE(lock, lock_rows());
    BULKHEAD_TRY(flush_all(cgroup, scope));
    const __u64 started_ns = boot_time_ns();
    BULKHEAD_TRY(run_pass(program_.get(), cgroup, scope));
    const std::size_t bound = std::min<std::size_t>(meta_[0].slot_bound, usage_.size());
    for (std::size_t slot = 0; slot < bound; ++slot) {
        bh_usage& usage = usage_[slot];
        const bh_environment& record = records_[slot];
        if (record.serial == 0 || usage.serial != record.serial || usage.read_ns < started_ns)
            continue;
        divide_cpu_time(usage);
        visit({{static_cast<__u32>(slot), record.serial}, record, usage, states_[slot]});
    }
    return {};
}

Status Meters::read_adopted(const Visit& visit) {
    for (std::size_t slot = 0; slot < records_.size(); ++slot) {
        const bh_environment& record = records_[slot];
        if (record.serial == 0 || (record.flags & BH_ENV_ADOPTED) == 0)
            continue;
        if (const auto cgroup = open_cgroup(record.cgroup_id))
            BULKHEAD_TRY(read(cgroup->get(), Scope::kSelf, visit));
    }
    return {};
}

Result<MeterReading> Meters::read_self(int cgroup) {
    std::optional<MeterReading> found;
    BULKHEAD_TRY(
        read(cgroup, Scope::kSelf, [&](const MeterView& reading) { found = reading.copy(); }));
    if (!found)
        return fail(Error(ENOENT, "the cgroup is not that of a metered environment"));
    return *found;
}

Result<MeterReading> read_last(const Environments& environments, bh_label label) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    BULKHEAD_TRY_VALUE(state, environments.copy_state(label));
    auto rows = open_pinned_map<__u32, bh_usage>("bh_usage");
    if (!rows)
        return fail(std::move(rows).error());
    BULKHEAD_TRY_VALUE(row, rows->find(label.slot));
    MeterReading reading{label, *record, {}, state};
    if (row && row->serial == label.serial)
        reading.usage = *row;
    divide_cpu_time(reading.usage);
    return reading;
}

Result<MeterReading> read_final(const Environments& environments, bh_label label, int cgroup) {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin("bh_meter")));
    for (const char* file : {"cpu.stat", "io.stat", "cpu.pressure"})
        BULKHEAD_TRY(flush(cgroup, file));
    // The dearest.
    if (!environments.is_flushed_together())
        BULKHEAD_TRY(flush(cgroup, "memory.stat"));
    const auto passed = run_pass(program.get(), cgroup, Scope::kSelf);
    auto last = read_last(environments, label);
    if (!passed && last && last->usage.removed_ns == 0)
        return fail(Error(passed.error()));
    return last;
}

}  // namespace bulkhead::loader
