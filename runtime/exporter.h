// What Prometheus reads: every scrape is one pass over all environments.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/exporter_retired.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

// The metrics of all environments; a family without a sample is left out.
std::vector<prometheus::MetricFamily> environment_families(const std::vector<Usage>& all);

class Exporter : public prometheus::Collectable {
public:
    // `parent_cgroup`: the directory above the environments'.
    Exporter(std::string parent_cgroup, std::string version);

    // Never throws and never fails: what could not be read shows as bulkhead_up 0.
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    struct RetiredNow {
        std::optional<Retired> sums;  // none: they could not be read since the agent started
        bool stored;                  // all that ended is in them
    };
    // Takes from `all` what is in the sums.
    RetiredNow retire(std::vector<Usage>& all) const;

    std::string parent_cgroup_;
    std::string version_;
    mutable std::mutex mutex_;  // several scrapes at once
    mutable std::optional<Retired> last_retired_;
};

}  // namespace bulkhead::runtime
