// The beancounters that take no bound, on any kernel: a row for each reason.
#include <algorithm>
#include <string>

#include "loader/beancounters.h"
#include "runtime/beancounter_sources.h"
#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {

Checks check_beancounters() {
    Checks checks;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter) {
        const Unbounded* shown = unbounded(counter);
        if (shown == nullptr)
            continue;
        const std::string why = std::string("a bound is refused: each") + shown->reason;
        const auto alike = std::find_if(checks.begin(), checks.end(), [&](const Check& check) {
            return check.why == why && check.remedy == shown->remedy;
        });
        const std::string name = loader::beancounter_name(counter);
        if (alike == checks.end())
            checks.push_back({name, "limits", Need::kOptional, false, why, shown->remedy});
        else
            alike->name += "," + name;
    }
    return checks;
}

}  // namespace bulkhead::runtime
