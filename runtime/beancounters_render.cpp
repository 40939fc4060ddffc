// How beancounters look as JSON and to people.
#include "runtime/beancounters.h"
#include "runtime/format.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

using Value = std::optional<std::uint64_t>;

// A bound that is not there is told apart from a counter that does not count.
Json bound_to_json(const Value& bound) {
    return bound == BH_UNLIMITED ? Json("unlimited") : Json(bound);
}

std::string cell(const Value& value) {
    if (!value)
        return "-";
    return *value == BH_UNLIMITED ? "unlimited" : std::to_string(*value);
}

}  // namespace

Json to_json(const std::vector<Beancounter>& counters) {
    Json array = Json::array();
    for (const Beancounter& counter : counters)
        array.push_back({{"name", counter.name},
                         {"held", counter.held},
                         {"maxheld", counter.maxheld},
                         {"barrier", bound_to_json(counter.barrier)},
                         {"limit", bound_to_json(counter.limit)},
                         {"failcnt", counter.failcnt}});
    return array;
}

std::string to_text(const std::vector<Beancounter>& counters) {
    constexpr const char* kLine = "{:<12} {:>12} {:>12} {:>12} {:>12} {:>8}\n";
    std::string text = formatted(kLine, "", "held", "maxheld", "barrier", "limit", "failcnt");
    for (const Beancounter& counter : counters)
        text += formatted(kLine, counter.name, cell(counter.held), cell(counter.maxheld),
                          cell(counter.barrier), cell(counter.limit), cell(counter.failcnt));
    return text;
}

}  // namespace bulkhead::runtime
