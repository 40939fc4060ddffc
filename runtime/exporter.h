// What Prometheus reads: every scrape is one pass over all environments.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/exporter_lines.h"
#include "runtime/exporter_machine.h"
#include "runtime/exporter_retired.h"
#include "runtime/openmetrics.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

// Takes a family and the time from which its counters count.
using FamilySink =
    std::function<void(const prometheus::MetricFamily& family, const openmetrics::Began& began)>;

// Since when an environment's counters count, as it was first seen: the kernel tells it by a clock
// that is turned into the calendar's anew each time, and a time that moves looks like a reset.
class StartTimes {
public:
    void update(const std::vector<Usage>& all);
    // In seconds since 1970.
    [[nodiscard]] std::optional<double> of(const std::string& environment) const;

private:
    struct Start {
        std::uint32_t serial;
        double unix_s;
    };
    std::unordered_map<std::string, Start> starts_;
};

// The metrics of all environments, one family after the other: those of a thousand environments
// together are more memory than the agent may have. A family without a sample is left out.
void write_environments(const std::vector<Usage>& all, const StartTimes& starts, Format format,
                        const TextSink& sink);

class Exporter {
public:
    // `parent_cgroup`: the directory above the environments'.
    Exporter(std::string parent_cgroup, std::string version);

    // Never fails: what could not be read shows as bulkhead_up 0. Several at once take turns.
    void scrape(Format format, const TextSink& sink);

private:
    // Takes from `all` what is in the sums. False: not all that ended is in them.
    bool retire(std::vector<Usage>& all);

    std::string parent_cgroup_;
    std::string version_;
    std::mutex mutex_;
    std::optional<Retired> last_retired_;  // none: not read since the agent started
    StartTimes starts_;
    MachineReader machine_;
};

}  // namespace bulkhead::runtime
