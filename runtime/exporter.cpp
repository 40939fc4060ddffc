#include "runtime/exporter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>

#include "runtime/exporter_metrics.h"

namespace bulkhead::runtime {
namespace {

using prometheus::MetricFamily;

MetricFamily gauge(const char* name, const char* help, double value,
                   std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::ClientMetric sample;
    sample.label = std::move(labels);
    sample.gauge.value = value;
    return {name, help, prometheus::MetricType::Gauge, {std::move(sample)}};
}

}  // namespace

std::vector<MetricFamily> environment_families(const std::vector<Usage>& all) {
    std::vector<MetricFamily> families;
    for (const EnvironmentMetric& metric : environment_metrics()) {
        MetricFamily family{metric.name, metric.help, metric.type, {}};
        for (const Usage& usage : all)
            metric.sample(usage, Samples(family, usage.environment));
        if (!family.metric.empty())
            families.push_back(std::move(family));
    }
    return families;
}

Exporter::Exporter(std::string parent_cgroup, std::string version)
    : parent_cgroup_(std::move(parent_cgroup)), version_(std::move(version)) {}

Exporter::RetiredNow Exporter::retire(std::vector<Usage>& all) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::uint32_t> serials;
    serials.reserve(all.size());
    for (const Usage& usage : all)
        serials.push_back(usage.serial);
    auto retired = read_retired(serials);
    if (!retired)
        spdlog::error("{}", retired.error().message());
    else
        last_retired_ = std::move(*retired);
    if (last_retired_)
        std::erase_if(
            all, [&](const Usage& usage) { return last_retired_->serials.contains(usage.serial); });
    return {last_retired_, retired.has_value()};
}

std::vector<MetricFamily> Exporter::Collect() const {
    const auto started = std::chrono::steady_clock::now();
    // Read before what ended is stored: one that ends in between is in both, and taken out of the
    // first; the other way round it would be in none.
    auto all = read_all_usage(parent_cgroup_);
    if (!all)
        spdlog::error("{}", all.error().message());
    std::vector<Usage> running = all ? std::move(*all) : std::vector<Usage>{};
    const RetiredNow retired = retire(running);
    auto families = environment_families(running);
    if (retired.sums) {
        auto sums = retired_families(*retired.sums);
        std::move(sums.begin(), sums.end(), std::back_inserter(families));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    families.push_back(gauge("bulkhead_build_info", "The version, as a label; always 1.", 1,
                             {{"version", version_}}));
    families.push_back(
        gauge("bulkhead_up", "1: usage could be read from the kernel.", all ? 1 : 0));
    families.push_back(gauge("bulkhead_environments", "Environments that are metered.",
                             static_cast<double>(running.size())));
    families.push_back(gauge("bulkhead_ledger_up",
                             "1: what ended is in the ledger; 0: it waits, see the agent's log.",
                             retired.stored ? 1 : 0));
    families.push_back(gauge("bulkhead_scrape_duration_seconds",
                             "How long this pass over all environments took.", took.count()));
    return families;
}

}  // namespace bulkhead::runtime
