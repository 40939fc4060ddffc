#include "runtime/exporter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "runtime/exporter_metrics.h"

namespace bulkhead::runtime {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

std::optional<double> unknown(const ClientMetric& /*sample*/) {
    return std::nullopt;
}

}  // namespace

void StartTimes::update(const std::vector<Usage>& all) {
    std::unordered_map<std::string, Start> now;
    for (const Usage& usage : all) {
        const auto known = starts_.find(usage.environment);
        const bool same = known != starts_.end() && known->second.serial == usage.serial;
        now.emplace(usage.environment,
                    same ? known->second
                         : Start{usage.serial, static_cast<double>(usage.started_unix_ns) / 1e9});
    }
    starts_ = std::move(now);
}

std::optional<double> StartTimes::of(const ClientMetric& sample) const {
    const auto found = starts_.find(sample.label.at(0).value);
    return found == starts_.end() ? std::nullopt : std::optional(found->second.unix_s);
}

void environment_families(const std::vector<Usage>& all, const StartTimes& starts,
                          const FamilySink& sink) {
    const openmetrics::Began began = [&](const ClientMetric& sample) { return starts.of(sample); };
    for (const EnvironmentMetric& metric : environment_metrics()) {
        MetricFamily family{metric.name, metric.help, metric.type, {}};
        for (const Usage& usage : all)
            metric.sample(usage, Samples(family, usage.environment));
        if (!family.metric.empty())
            sink(family, began);
    }
}

Exporter::Exporter(std::string parent_cgroup, std::string version)
    : parent_cgroup_(std::move(parent_cgroup)), version_(std::move(version)) {}

bool Exporter::retire(std::vector<Usage>& all) {
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
    return retired.has_value();
}

void Exporter::scrape(const FamilySink& sink) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto started = std::chrono::steady_clock::now();
    // Read before what ended is stored: one that ends in between is in both, and taken out of the
    // first; the other way round it would be in none.
    auto all = read_all_usage(parent_cgroup_);
    if (!all)
        spdlog::error("{}", all.error().message());
    std::vector<Usage> running = all ? std::move(*all) : std::vector<Usage>{};
    const bool all_stored = retire(running);
    starts_.update(running);
    environment_families(running, starts_, sink);
    // The sums go on over restarts of everything: they began with the ledger, which does not say
    // when that was.
    if (last_retired_)
        for (const MetricFamily& family : retired_families(*last_retired_))
            sink(family, unknown);
    Machine machine = machine_.read();
    machine.version = version_;
    machine.up = all && machine.up;
    machine.ledger_up = all_stored;
    machine.environments = running.size();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    machine.scrape_seconds = took.count();
    for (const MachineFamily& one : machine_families(machine))
        sink(one.family, [&](const ClientMetric&) { return one.began_unix_s; });
}

}  // namespace bulkhead::runtime
