#include "runtime/governor.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace bulkhead::runtime {
namespace {

// What the kernel takes.
constexpr std::uint64_t kLeastQuotaUs = 1000;

constexpr std::uint32_t bit(unsigned action) {
    return 1U << action;
}

// Actions that are asked for, a bit each.
std::uint32_t asked_by(const bh_budget& budget, std::uint64_t now_ns) {
    const std::uint64_t period = bh_period_at(now_ns, budget.origin_ns, budget.period_ns);
    std::uint32_t actions = 0;
    if (is_past_amount(budget, period))
        actions |= bit(budget.on_exceed);
    if (is_past_warning(budget, period))
        actions |= bit(budget.on_warn);
    return actions;
}

std::uint32_t asked_by(const bh_budgets& row, std::uint64_t now_ns) {
    std::uint32_t actions = 0;
    for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind)
        if ((row.asked & 1U << kind) != 0)
            actions |= asked_by(row.budgets[kind], now_ns);
    // Whoever is to end must be able to.
    return (actions & bit(BH_ON_STOP)) != 0 ? bit(BH_ON_STOP) : actions;
}

bool parse_whole(std::string_view text, std::uint64_t& number) {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && rest == text.data() + text.size();
}

}  // namespace

bool is_past_amount(const bh_budget& budget, std::uint64_t period) {
    return budget.exceeded_in == period + 1 ||
           (budget.on_exceed == BH_ON_STOP && budget.exceeded_in != 0);
}

bool is_past_warning(const bh_budget& budget, std::uint64_t period) {
    return budget.warned_in == period + 1 ||
           (budget.on_warn == BH_ON_STOP && budget.warned_in != 0);
}

std::vector<Due> due_for(const bh_budgets& row, std::uint64_t now_ns) {
    const std::uint32_t asked = asked_by(row, now_ns);
    const bh_governed& governed = row.governed;
    std::vector<Due> due;
    const auto undo = [&](bh_budget_action action, Due step) {
        if ((governed.begun & ~asked & bit(action)) != 0)
            due.push_back(step);
    };
    const auto act = [&](bh_budget_action action, Due step) {
        if ((asked & ~governed.done & bit(action)) != 0)
            due.push_back(step);
    };
    undo(BH_ON_PAUSE, Due::kResume);
    undo(BH_ON_THROTTLE, Due::kUnthrottle);
    undo(BH_ON_STOP, Due::kForgetStop);
    act(BH_ON_THROTTLE, Due::kThrottle);
    act(BH_ON_PAUSE, Due::kPause);
    act(BH_ON_STOP, Due::kAskToStop);
    if ((asked & governed.done & bit(BH_ON_STOP)) != 0 && governed.asked_to_stop_ns <= now_ns &&
        now_ns - governed.asked_to_stop_ns >= kStopGraceNs)
        due.push_back(Due::kKill);
    return due;
}

Result<CpuQuota> parse_cpu_max(std::string_view text) {
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    const std::size_t blank = text.find(' ');
    CpuQuota quota;
    const std::string_view first = text.substr(0, blank);
    const bool is_quota =
        blank != std::string_view::npos && (first == "max" || parse_whole(first, quota.quota_us)) &&
        parse_whole(text.substr(blank + 1), quota.period_us) && quota.period_us != 0;
    if (!is_quota)
        return fail(Error(EINVAL, "\"" + std::string(text) + "\" in cpu.max"));
    return quota;
}

std::string to_cpu_max(const CpuQuota& quota) {
    return (quota.quota_us == BH_NEVER ? "max" : std::to_string(quota.quota_us)) + " " +
           std::to_string(quota.period_us);
}

CpuQuota throttled(const CpuQuota& before) {
    const std::uint64_t whole = before.quota_us == BH_NEVER ? before.period_us : before.quota_us;
    return {std::max(whole / 10, kLeastQuotaUs), before.period_us};
}

}  // namespace bulkhead::runtime
