#include "loader/governed.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "loader/environments.h"
#include "loader/pins.h"
#include "loader/store_release.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kRows = "bh_budget_rows";

}  // namespace

bool needs_an_agent(bh_budget_action action) {
    return action == BH_ON_THROTTLE || action == BH_ON_PAUSE || action == BH_ON_STOP;
}

Result<bool> is_anything_governed() {
    const auto meta = map_meta();
    if (!meta && meta.error().code() == ENOENT)
        return false;
    if (!meta)
        return fail(Error(meta.error()));
    return std::atomic_ref<__u32>((*meta)[0].governed).load(std::memory_order_acquire) != 0;
}

Result<std::optional<bh_budgets>> read_governed(bh_label label) {
    const auto rows = open_pinned_map<__u32, bh_budgets>(kRows);
    if (!rows)
        return fail(Error(rows.error()));
    BULKHEAD_TRY_VALUE(row, rows->find(label.slot));
    if (row && row->serial != label.serial)
        row.reset();
    return row;
}

void take_over(bh_budgets& row, __u32 serial) {
    if (row.serial == serial)
        return;
    store_release(row.asked, __u32{0});
    if (row.serial != 0) {
        store_release(row.serial, __u32{0});
        wait_for_programs();
    }
    std::fill(std::begin(row.budgets), std::end(row.budgets), bh_budget{});
    row.cpu_offsets = 0;
    row.governed = bh_governed{};
    store_release(row.serial, serial);
}

Result<GovernedRow> GovernedRow::open(bh_label label) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(row, SlotRow<bh_budgets>::open(kRows, label.slot));
    if (row->serial != label.serial)
        return fail(Error(ESTALE, "the environment is gone"));
    return GovernedRow(std::move(lock), std::move(row));
}

Result<GovernedRow> GovernedRow::claim(const Environments& environments, bh_label label) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    if (environments.record(label) == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    environments.note_governed(label);
    BULKHEAD_TRY_VALUE(row, SlotRow<bh_budgets>::open(kRows, label.slot));
    take_over(*row, label.serial);
    return GovernedRow(std::move(lock), std::move(row));
}

}  // namespace bulkhead::loader
