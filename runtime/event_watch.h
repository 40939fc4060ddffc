// What happens to environments, as it is seen by looking again and again: what the journal tells,
// what the kernel refused, and which limits were met. Looking decides nothing and costs those that
// are looked at nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "loader/environments.h"
#include "runtime/guard_events.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/refusal_report.h"

namespace bulkhead::runtime {

class EventWatch {
public:
    // Events of all environments, or of the one of this name.
    explicit EventWatch(std::string only);

    // Each an object with `time`, `event`, and `environment` where it is about one. The first call
    // tells what the journal kept and only notes how far the counters are.
    std::vector<Json> look();

private:
    // A file of counters by name, such as memory.events.
    using Counters = std::map<std::string, std::uint64_t>;
    struct Seen {
        std::uint64_t refusals = 0;
        Counters memory;
        Counters pids;
        RefusalReport report;
    };

    bool has_records();
    void look_at(bh_label label, const bh_environment& record, std::vector<Json>& events);
    void tell_refusals(bh_label label, const std::string& name, Seen& seen,
                       std::vector<Json>& events);
    static void tell_limits(const bh_environment& record, Seen& seen, std::vector<Json>& events);

    std::string only_;
    JournalReader journal_;
    GuardEvents guard_;
    std::optional<loader::Environments> environments_;
    std::map<std::uint64_t, Seen> seen_;  // by serial
    bool first_ = true;
};

}  // namespace bulkhead::runtime
