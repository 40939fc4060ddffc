#include "tests/kernel/budgeted.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "loader/pins.h"
#include "loader/refusals.h"

namespace bulkhead::tests {
namespace {

__u64 boot_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
}

}  // namespace

Budgeted::Budgeted(const std::string& name)
    : BareEnvironment(name), environments_(std::move(*loader::Environments::open())) {
    allow(BH_CLASS_FILES);
}

void Budgeted::grant_budget(bh_budget_kind kind, __u64 amount, bh_budget_action on_exceed) {
    set(kind, {.amount = amount, .period_ns = kHourNs, .on_exceed = on_exceed});
}

void Budgeted::set(bh_budget_kind kind, const loader::BudgetTerms& terms,
                   const std::optional<loader::CarriedOver>& carried) {
    const auto set =
        loader::set_budget(environments_, label(), {record().cgroup_id}, kind, terms, carried);
    EXPECT_TRUE(set.has_value()) << set.error().message();
}

void Budgeted::clear(bh_budget_kind kind) {
    const auto cleared = loader::clear_budget(environments_, label(), kind);
    EXPECT_TRUE(cleared.has_value()) << cleared.error().message();
}

bh_budget Budgeted::budget(bh_budget_kind kind) const {
    const auto row = loader::read_budgets(label());
    EXPECT_TRUE(row.has_value() && row->has_value()) << "there is no budget";
    return row && *row ? (*row)->budgets[kind] : bh_budget{};
}

__u64 Budgeted::used(bh_budget_kind kind) const {
    const bh_budget row = budget(kind);
    return bh_used_in(row.spent, bh_period_at(boot_now_ns(), row.origin_ns, row.period_ns));
}

void Budgeted::pass_a_period(bh_budget_kind kind) const {
    const auto rows = loader::open_pinned_map<__u32, bh_budgets>("bh_budget_rows");
    ASSERT_TRUE(rows.has_value());
    auto row = rows->find(label().slot);
    ASSERT_TRUE(row.has_value() && row->has_value());
    bh_budget& budget = (*row)->budgets[kind];
    budget.origin_ns -= budget.period_ns;
    ASSERT_TRUE(rows->put(label().slot, **row).has_value());
}

void Budgeted::expect_exceeded(bh_budget_kind kind) const {
    for (int looks = 0; looks < 1000 && budget(kind).exceeded == 0; ++looks)
        ::usleep(20'000);
    EXPECT_EQ(budget(kind).exceeded, 1U) << loader::budget_name(kind);
}

bh_refusal Budgeted::told_exceeded() {
    const auto rows = loader::read_refusals(label(), state().refusal_count);
    bh_refusal found{};
    if (rows)
        for (const bh_refusal& row : *rows)
            if ((row.flags & BH_REFUSAL_EXCEEDED) != 0)
                found = row;
    EXPECT_NE(found.sequence, 0U) << "nothing tells of it";
    return found;
}

int started(int tries, int& error) {
    int count = 0;
    for (int i = 0; i < tries; ++i) {
        const pid_t pid = ::fork();
        if (pid == 0)
            ::_exit(0);
        if (pid < 0) {
            error = errno;
            continue;
        }
        ++count;
        ::waitpid(pid, nullptr, 0);
    }
    return count;
}

int starts(int wanted, int error) {
    int seen = 0;
    const int count = started(wanted + 3, seen);
    return count == wanted && seen == error ? 0 : 200;
}

}  // namespace bulkhead::tests
