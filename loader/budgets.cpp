#include "loader/budgets.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>

#include "loader/cgroup_programs.h"
#include "loader/environments.h"
#include "loader/governed.h"
#include "loader/map_view.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/slot_row.h"
#include "loader/store_release.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kRows = "bh_budget_rows";
constexpr std::array<std::string_view, 2> kPrograms = {"bh_bg_fork", "bh_bg_exec"};
constexpr CgroupProgram kPackets{"bh_bg_egress", BPF_CGROUP_INET_EGRESS};

constexpr __u32 bit(unsigned kind) {
    return 1U << kind;
}

__u64 boot_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
}

using Row = SlotRow<bh_budgets>;

void store_terms(bh_budget& budget, const BudgetTerms& terms) {
    store_release(budget.amount, terms.amount);
    store_release(budget.warn, terms.warn);
    store_release(budget.on_warn, static_cast<__u32>(terms.on_warn));
    store_release(budget.on_exceed, static_cast<__u32>(terms.on_exceed));
}

// What is past neither any more is open again.
void reopen(bh_budget& budget) {
    const __u64 period = bh_period_at(boot_now_ns(), budget.origin_ns, budget.period_ns);
    const __u64 used = bh_used_in(budget.spent, period);
    if (used < budget.amount)
        store_release(budget.exceeded_in, __u64{0});
    if (used < budget.warn)
        store_release(budget.warned_in, __u64{0});
}

// What the running count of `kind` is now; BH_NEVER: the program that sees it next will know.
__u64 counted_from(bh_budget_kind kind, Running running) {
    if (kind == BH_BUDGET_WALL)
        return boot_now_ns() / 1'000'000;
    return running == Running::kNothing ? 0 : BH_NEVER;
}

bh_budget begin(bh_budget_kind kind, const BudgetTerms& terms, Running running,
                const std::optional<CarriedOver>& carried) {
    bh_budget budget{};
    budget.period_ns = terms.period_ns;
    budget.origin_ns = carried ? carried->period_began_ns : boot_now_ns();
    budget.counted = counted_from(kind, running);
    store_terms(budget, terms);
    if (!carried)
        return budget;
    budget.spent = bh_spent(0, std::min<__u64>(carried->used, BH_SPENT_MOST));
    budget.exceeded = carried->exceeded;
    budget.refused = carried->refused;
    budget.warned_in = carried->is_warned && carried->used >= terms.warn ? 1 : 0;
    budget.exceeded_in = carried->is_exceeded && carried->used >= terms.amount ? 1 : 0;
    return budget;
}

bool has_member(const btf* kernel, const char* structure, std::string_view member) {
    const int id = btf__find_by_name_kind(kernel, structure, BTF_KIND_STRUCT);
    const btf_type* type = id > 0 ? btf__type_by_id(kernel, static_cast<__u32>(id)) : nullptr;
    for (int i = 0; type != nullptr && i < btf_vlen(type); ++i)
        if (member == btf__name_by_offset(kernel, btf_members(type)[i].name_off))
            return true;
    return false;
}

// Where bpf/budget_clock.bpf.h looks: by the latter name from 6.16 on.
Status check_cpu_time() {
    const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel)
        return fail_errno("read the kernel's BTF (/sys/kernel/btf/vmlinux)");
    if (has_member(kernel.get(), "cgroup", "rstat_cpu") ||
        has_member(kernel.get(), "cgroup", "rstat_base_cpu"))
        return {};
    return fail(Error(0,
                      "this kernel keeps the CPU time of a cgroup where it cannot be found: no "
                      "budget of CPU time",
                      Fault::kUnsupported)
                    .advise("docs/kernel-requirements.md lists the kernels"));
}

Status find_cpu_time(bh_budgets& row) {
    if (row.cpu_offsets != 0)
        return {};
    BULKHEAD_TRY_VALUE(offsets, find_cpu_offsets());
    row.cpu_count = static_cast<__u32>(libbpf_num_possible_cpus());
    store_release(row.cpu_offsets, offsets);
    return {};
}

Result<__u32> asked_by(bh_label label) {
    BULKHEAD_TRY_VALUE(row, read_budgets(label));
    return row ? row->asked : 0;
}

// As if there were no environment of the label `leaving`.
Status settle(const Environments& environments, bh_label leaving = {}) {
    bool needed = false;
    Status failed;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if (label.serial == leaving.serial || (record.flags & BH_ENV_BUDGETED) == 0)
            return;
        if (const auto asked = asked_by(label))
            needed = needed || *asked != 0;
        else
            failed = fail(Error(asked.error()));
    });
    BULKHEAD_TRY(failed);
    for (const std::string_view program : kPrograms) {
        const std::string pin = link_pin(program);
        if (!needed && ::unlink(pin.c_str()) != 0 && errno != ENOENT)
            return fail_errno("remove " + pin);
    }
    return {};
}

}  // namespace

bool spends_budgets(std::string_view program) {
    return std::find(kPrograms.begin(), kPrograms.end(), program) != kPrograms.end();
}

const char* budget_name(unsigned kind) {
    static constexpr std::array kNames = {
#define BH_BUDGET_NAME(id, name, unit) #name,
        BH_BUDGETS(BH_BUDGET_NAME)
#undef BH_BUDGET_NAME
    };
    return kind < kNames.size() ? kNames[kind] : "?";
}

Status set_budget(const Environments& environments, bh_label label, const BudgetedCgroup& cgroup,
                  bh_budget_kind kind, const BudgetTerms& terms,
                  const std::optional<CarriedOver>& carried) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (environments.record(label) == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    environments.note_budgets(label);
    if (needs_an_agent(terms.on_warn) || needs_an_agent(terms.on_exceed))
        environments.note_governed(label);
    BULKHEAD_TRY_VALUE(row, Row::open(kRows, label.slot));
    take_over(*row, label.serial);
    if (kind == BH_BUDGET_CPU)
        BULKHEAD_TRY(find_cpu_time(*row));
    for (const std::string_view program : kPrograms)
        BULKHEAD_TRY(attach_pinned(program));
    if (cgroup.id != 0)
        BULKHEAD_TRY(attach_to_cgroup(kPackets, label, cgroup.id));
    bh_budget& budget = row->budgets[kind];
    if ((row->asked & bit(kind)) != 0 && budget.period_ns == terms.period_ns) {
        store_terms(budget, terms);
        reopen(budget);
        return {};
    }
    if ((row->asked & bit(kind)) != 0) {
        store_release(row->asked, row->asked & ~bit(kind));
        wait_for_programs();
    }
    budget = begin(kind, terms, cgroup.running, carried);
    store_release(row->asked, row->asked | bit(kind));
    return {};
}

Status clear_budget(const Environments& environments, bh_label label, bh_budget_kind kind) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(asked, asked_by(label));
    if ((asked & bit(kind)) == 0)
        return {};
    BULKHEAD_TRY_VALUE(row, Row::open(kRows, label.slot));
    store_release(row->asked, row->asked & ~bit(kind));
    if (row->asked == 0)
        BULKHEAD_TRY(detach_from_cgroup(kPackets, label));
    return settle(environments);
}

Result<std::optional<bh_budgets>> read_budgets(bh_label label) {
    BULKHEAD_TRY_VALUE(row, read_governed(label));
    if (row && row->asked == 0)
        row.reset();
    return row;
}

Status stop_spending(const Environments& environments, bh_label label) {
    BULKHEAD_TRY(detach_from_cgroup(kPackets, label));
    return settle(environments, label);
}

Result<__u64> find_cpu_offsets() {
    BULKHEAD_TRY(check_cpu_time());
    std::ifstream symbols("/proc/kallsyms");
    return cpu_offsets_in(symbols);
}

Result<__u64> cpu_offsets_in(std::istream& symbols) {
    constexpr std::string_view kSymbol = " __per_cpu_offset";
    for (std::string line; std::getline(symbols, line);) {
        __u64 place = 0;
        if (line.ends_with(kSymbol))
            std::from_chars(line.data(), line.data() + line.size(), place, 16);
        if (place != 0)
            return place;
    }
    return fail(Error(0, "__per_cpu_offset is not in /proc/kallsyms: no budget of CPU time",
                      Fault::kUnsupported)
                    .advise("use a kernel with CONFIG_SMP and CONFIG_KALLSYMS_ALL and "
                            "sysctl kernel.kptr_restrict below 2"));
}

}  // namespace bulkhead::loader
