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

// What the samples of each environment have in common, kept from scrape to scrape: it costs less,
// and the time since when its counters count stays as it was first seen. The kernel tells it by a
// clock that is turned into the calendar's anew each time, and a time that moves looks like a
// reset.
class EnvironmentTexts {
public:
    // In the order of `all`; valid until the next call, which forgets whoever is missing in it.
    std::vector<const EnvironmentText*> of(const std::vector<Usage>& all);

private:
    struct Kept {
        std::string environment;  // loading anew begins with the first serial again
        EnvironmentText text;
        std::uint64_t call;  // in which it was last asked for
    };
    std::unordered_map<std::uint32_t, Kept> by_serial_;
    std::uint64_t calls_ = 0;
};

// The metrics of all environments, one family after the other: those of a thousand environments
// together are more memory than the agent may have. A family without a sample is left out.
void write_environments(const std::vector<Usage>& all, EnvironmentTexts& texts, Format format,
                        const TextSink& sink);

std::string text_of(Format format, const prometheus::MetricFamily& family,
                    const openmetrics::Began& began);

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
    EnvironmentTexts texts_;
    MachineReader machine_;
};

}  // namespace bulkhead::runtime
