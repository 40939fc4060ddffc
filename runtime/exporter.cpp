#include "runtime/exporter.h"

#include <spdlog/spdlog.h>

#include <chrono>

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

std::vector<MetricFamily> Exporter::Collect() const {
    const auto started = std::chrono::steady_clock::now();
    const auto all = read_all_usage(parent_cgroup_);
    if (!all)
        spdlog::error("{}", all.error().message());
    auto families = all ? environment_families(*all) : std::vector<MetricFamily>{};
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    families.push_back(gauge("bulkhead_build_info", "The version, as a label; always 1.", 1,
                             {{"version", version_}}));
    families.push_back(
        gauge("bulkhead_up", "1: usage could be read from the kernel.", all ? 1 : 0));
    families.push_back(gauge("bulkhead_environments", "Environments that are metered.",
                             all ? static_cast<double>(all->size()) : 0));
    families.push_back(gauge("bulkhead_scrape_duration_seconds",
                             "How long this pass over all environments took.", took.count()));
    return families;
}

}  // namespace bulkhead::runtime
