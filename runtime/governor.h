// Budgets that throttle, pause or stop. The kernel decides that one is used up and keeps that in
// its row; here it is decided what is due for the environment, and done. What was done is in the
// row too: whoever comes next, after a kill or beside another agent, goes on from there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire_budgets.h"
#include "loader/result.h"

namespace bulkhead::loader {
class Environments;
}

namespace bulkhead::runtime {

enum class Due {
    kResume,      // thaw
    kUnthrottle,  // cpu.max as it was
    kForgetStop,  // the budget was opened again before it was killed
    kThrottle,
    kPause,
    kAskToStop,  // SIGTERM to the first process
    kKill,       // it did not end in the time it was given
};

// As that of `bulkhead stop`.
inline constexpr std::uint64_t kStopGraceNs = 10'000'000'000;

// Whether what is behind its amount asks for `on_exceed` in `period`. That it is to be stopped is
// not over with the period.
bool is_past_amount(const bh_budget& budget, std::uint64_t period);
// Likewise what is behind its warning, for `on_warn`.
bool is_past_warning(const bh_budget& budget, std::uint64_t period);

// As of CLOCK_BOOTTIME `now_ns`, in the order to do it in: what gives way comes first.
std::vector<Due> due_for(const bh_budgets& row, std::uint64_t now_ns);

// What cpu.max says.
struct CpuQuota {
    std::uint64_t quota_us = BH_NEVER;  // BH_NEVER: max
    std::uint64_t period_us = 100'000;

    bool operator==(const CpuQuota&) const = default;
};
// The form of cpu.max. EINVAL: it is not.
Result<CpuQuota> parse_cpu_max(std::string_view text);
std::string to_cpu_max(const CpuQuota& quota);
// A tenth of it; where there is none a tenth of one CPU.
CpuQuota throttled(const CpuQuota& before);

// Its command was executed, and has not ended.
bool is_running(const loader::Environments& environments, bh_label label);

// Does what is due for one environment, if its command was executed and has not ended. Not for
// whoever holds lock_pins().
Status govern(const loader::Environments& environments, bh_label label);

// For all. The last error, when all were tried; those that are gone meanwhile are none.
Status govern_all();

}  // namespace bulkhead::runtime
