#include "loader/governed.h"

#include <atomic>
#include <cerrno>

#include "loader/pins.h"

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

Result<GovernedRow> GovernedRow::open(bh_label label) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(row, SlotRow<bh_budgets>::open(kRows, label.slot));
    if (row->serial != label.serial)
        return fail(Error(ESTALE, "the environment is gone"));
    return GovernedRow(std::move(lock), std::move(row));
}

}  // namespace bulkhead::loader
