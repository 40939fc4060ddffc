#include "loader/execs.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "loader/cgroup_programs.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr std::array kPackets = {CgroupProgram{"bh_ex_receive", BPF_CGROUP_INET_INGRESS},
                                 CgroupProgram{"bh_ex_send", BPF_CGROUP_INET_EGRESS}};

Status count_packets(bh_label label) {
    auto records = open_pinned_map<__u32, bh_environment>("bh_envs");
    if (!records)
        return fail(std::move(records).error());
    BULKHEAD_TRY_VALUE(record, records->find(label.slot));
    if (!record || record->serial != label.serial || record->cgroup_id == 0)
        return {};
    for (const CgroupProgram& program : kPackets)
        BULKHEAD_TRY(attach_to_cgroup(program, label, record->cgroup_id, Owner::kUnasked));
    return {};
}

}  // namespace

Result<Execs> Execs::open() {
    BULKHEAD_TRY_VALUE(meta, map_meta());
    auto rows = open_pinned_map<__u64, bh_exec>("bh_execs");
    if (!rows)
        return fail(std::move(rows).error());
    auto tasks = open_pinned_map<int, bh_exec_task>("bh_exec_tasks");
    if (!tasks)
        return fail(std::move(tasks).error());
    return Execs(std::move(*rows), std::move(*tasks), std::move(meta));
}

Result<__u64> Execs::begin(int pidfd, const bh_exec& first) const {
    const __u64 number = __atomic_add_fetch(&meta_[0].last_exec, 1, __ATOMIC_RELAXED);
    // The task first: of one that is killed before there is a row, none is left.
    bh_exec_task task{};
    task.number = number;
    task.flags = BH_EXEC_FIRST | BH_EXEC_LIVES;
    BULKHEAD_TRY(tasks_.put(pidfd, task));
    bh_exec row = first;
    row.tasks = 1;
    row.tasks_peak = 1;
    // Whoever takes the programs away meanwhile sees the row, or has done it before they are put.
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY(count_packets(row.label));
    BULKHEAD_TRY(put(number, row));
    return number;
}

Status Execs::put(__u64 number, const bh_exec& row) const {
    auto done = rows_.put(number, row);
    if (done || done.error().code() != E2BIG)
        return done;
    return fail(Error(E2BIG, std::to_string(BH_MAX_EXECS) +
                                 " commands of exec run, or ended and are not stored")
                    .advise("bulkhead receipts stores what ended"));
}

Result<std::optional<bh_exec>> Execs::find(__u64 number) const {
    return rows_.find(number);
}

Result<std::vector<ExecRow>> Execs::rows() const {
    std::vector<ExecRow> found;
    if (__atomic_load_n(&meta_[0].last_exec, __ATOMIC_RELAXED) == 0)
        return found;
    std::vector<__u64> numbers;
    BULKHEAD_TRY(rows_.for_each_key([&](__u64 number) { numbers.push_back(number); }));
    // A walk that another one's deletion began again meets some twice.
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    for (const __u64 number : numbers) {
        BULKHEAD_TRY_VALUE(row, rows_.find(number));
        if (row)
            found.push_back({number, *row});
    }
    return found;
}

Status Execs::settle() const {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin("bh_exec_pass")));
    const UniqueFd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, nullptr));
    if (!link)
        return fail_errno("attach bh_exec_pass");
    const UniqueFd pass(bpf_iter_create(link.get()));
    if (!pass)
        return fail_errno("start a pass over the tasks");
    char nothing[64];
    ssize_t got = 0;
    while ((got = ::read(pass.get(), nothing, sizeof nothing)) > 0 || (got < 0 && errno == EAGAIN))
        continue;
    return got == 0 ? Status{} : fail_errno("pass over the tasks");
}

Status Execs::forget(__u64 number) const {
    BULKHEAD_TRY(rows_.erase(number));
    return {};
}

Status Execs::settle_packets(bh_label label) const {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(all, rows());
    const bool needed = std::any_of(all.begin(), all.end(), [&](const ExecRow& row) {
        return row.exec.label.serial == label.serial && row.exec.ended_ns == 0;
    });
    if (needed)
        return {};
    for (const CgroupProgram& program : kPackets)
        BULKHEAD_TRY(detach_from_cgroup(program, label));
    return {};
}

}  // namespace bulkhead::loader
