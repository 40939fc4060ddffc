// How budgets look as JSON and to people.
#include <array>

#include "runtime/budgets.h"
#include "runtime/clock.h"
#include "runtime/format.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

constexpr double kNsPerSecond = 1e9;

std::string bytes_text(double bytes) {
    constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit)
        bytes /= 1024;
    return unit == 0 ? formatted("{:.0f} B", bytes) : formatted("{:.2f} {}", bytes, kUnits[unit]);
}

const char* unit_of(bh_budget_kind kind) {
    switch (kind) {
        case BH_BUDGET_EGRESS:
            return "bytes";
        case BH_BUDGET_CPU:
        case BH_BUDGET_WALL:
            return "ns";
        case BH_BUDGET_MEMORY:
            return "byte_seconds";
        default:
            return "processes";
    }
}

std::string on_text(const Budget& budget) {
    return budget.warn ? formatted("{} (warn: {})", action_name(budget.on_exceed),
                                   action_name(budget.on_warn))
                       : action_name(budget.on_exceed);
}

// To the second, which is enough for a period's end.
std::string end_text(const Budget& budget) {
    return rfc3339(budget.ends_unix_ns).substr(0, 19) + "Z";
}

}  // namespace

std::string amount_text(bh_budget_kind kind, std::uint64_t amount) {
    switch (kind) {
        case BH_BUDGET_EGRESS:
            return bytes_text(static_cast<double>(amount));
        case BH_BUDGET_MEMORY:
            return bytes_text(static_cast<double>(amount)) + "·s";
        case BH_BUDGET_CPU:
        case BH_BUDGET_WALL:
            return formatted("{:.3f} s", static_cast<double>(amount) / kNsPerSecond);
        default:
            return std::to_string(amount);
    }
}

const char* standing_name(Standing standing) {
    switch (standing) {
        case Standing::kOpen:
            return "open";
        case Standing::kWarned:
            return "warned";
        case Standing::kExceeded:
            return "exceeded";
        case Standing::kRefuses:
            return "refuses";
        case Standing::kThrottled:
            return "throttled";
        case Standing::kPaused:
            return "paused";
        case Standing::kStopping:
            return "stopping";
        case Standing::kWaits:
            break;
    }
    return "waits for the agent";
}

std::string period_text(std::uint64_t period_ns) {
    struct Unit {
        std::uint64_t seconds;
        char name;
    };
    constexpr std::array kUnits = {Unit{7 * 86400, 'w'}, Unit{86400, 'd'}, Unit{3600, 'h'},
                                   Unit{60, 'm'}};
    const std::uint64_t seconds = period_ns / 1'000'000'000;
    for (const Unit& unit : kUnits)
        if (seconds != 0 && seconds % unit.seconds == 0)
            return formatted("{}{}", seconds / unit.seconds, unit.name);
    return formatted("{}s", seconds);
}

Json to_json(const NamedBudgets& budgets) {
    Json array = Json::array();
    for (const Budget& one : budgets.budgets)
        array.push_back({{"kind", loader::budget_name(one.kind)},
                         {"unit", unit_of(one.kind)},
                         {"used", one.used},
                         {"amount", one.amount},
                         {"left", one.left()},
                         {"warn", one.warn},
                         {"period_ns", one.period_ns},
                         {"ends", rfc3339(one.ends_unix_ns)},
                         {"on_warn", action_name(one.on_warn)},
                         {"on_exceed", action_name(one.on_exceed)},
                         {"is_exceeded", one.is_exceeded},
                         {"state", standing_name(one.standing)},
                         {"exceeded", one.exceeded},
                         {"refused", one.refused}});
    return {{"environment", budgets.environment}, {"budgets", std::move(array)}};
}

std::string to_text(const std::vector<NamedBudgets>& all) {
    constexpr const char* kLine =
        "{:<16} {:<10} {:>14} {:>14} {:>14} {:>6} {:<20} {:>8} {:>8}  {:<19}  {}\n";
    std::string text = formatted(kLine, "ENVIRONMENT", "KIND", "USED", "AMOUNT", "LEFT", "PERIOD",
                                 "ENDS", "EXCEEDED", "REFUSED", "STATE", "ON EXCEED");
    for (const NamedBudgets& named : all)
        for (const Budget& one : named.budgets)
            text += formatted(kLine, named.environment, loader::budget_name(one.kind),
                              amount_text(one.kind, one.used), amount_text(one.kind, one.amount),
                              amount_text(one.kind, one.left()), period_text(one.period_ns),
                              end_text(one), one.exceeded, one.refused, standing_name(one.standing),
                              on_text(one));
    return text;
}

}  // namespace bulkhead::runtime
