// How beancounters look as JSON and to people.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/beancounters.h"

namespace bulkhead::runtime {
namespace {

using Value = std::optional<std::uint64_t>;

nlohmann::json number_or_null(const Value& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

// A bound that is not there is told apart from a counter that does not count.
nlohmann::json bound_to_json(const Value& bound) {
    return bound == BH_UNLIMITED ? nlohmann::json("unlimited") : number_or_null(bound);
}

std::string cell(const Value& value) {
    if (!value)
        return "-";
    return *value == BH_UNLIMITED ? "unlimited" : std::to_string(*value);
}

}  // namespace

nlohmann::json to_json(const std::vector<Beancounter>& counters) {
    nlohmann::json array = nlohmann::json::array();
    for (const Beancounter& counter : counters)
        array.push_back({{"name", counter.name},
                         {"held", number_or_null(counter.held)},
                         {"maxheld", number_or_null(counter.maxheld)},
                         {"barrier", bound_to_json(counter.barrier)},
                         {"limit", bound_to_json(counter.limit)},
                         {"failcnt", number_or_null(counter.failcnt)}});
    return array;
}

std::string to_text(const std::vector<Beancounter>& counters) {
    constexpr const char* kLine = "{:<12} {:>12} {:>12} {:>12} {:>12} {:>8}\n";
    std::string text = fmt::format(kLine, "", "held", "maxheld", "barrier", "limit", "failcnt");
    for (const Beancounter& counter : counters)
        text += fmt::format(kLine, counter.name, cell(counter.held), cell(counter.maxheld),
                            cell(counter.barrier), cell(counter.limit), cell(counter.failcnt));
    return text;
}

}  // namespace bulkhead::runtime
