#include "runtime/exporter.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <sstream>
#include <utility>

#include "runtime/agent/log.h"
#include "runtime/exporter_metrics.h"

namespace bulkhead::runtime {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

std::string text_of(Format format, const MetricFamily& family, const openmetrics::Began& began) {
    if (format == Format::kText) {
        std::ostringstream out;
        prometheus::TextSerializer().Serialize(out, {family});
        return std::move(out).str();
    }
    std::string out;
    openmetrics::write(out, family, began);
    return out;
}

std::vector<const EnvironmentText*> EnvironmentTexts::of(const std::vector<Usage>& all) {
    ++calls_;
    std::vector<const EnvironmentText*> texts;
    texts.reserve(all.size());
    for (const Usage& usage : all) {
        auto kept = by_serial_.find(usage.serial);
        if (kept == by_serial_.end() || kept->second.environment != usage.environment) {
            const auto started_unix_s = static_cast<double>(usage.started_unix_ns) / 1e9;
            kept = by_serial_
                       .insert_or_assign(
                           usage.serial,
                           Kept{usage.environment, {usage.environment, started_unix_s}, 0})
                       .first;
        }
        kept->second.call = calls_;
        texts.push_back(&kept->second.text);
    }
    if (by_serial_.size() != all.size())
        std::erase_if(by_serial_, [&](const auto& one) { return one.second.call != calls_; });
    return texts;
}

void write_environments(const std::vector<Usage>& all, EnvironmentTexts& texts, Format format,
                        const TextSink& sink) {
    const std::vector<const EnvironmentText*> of_each = texts.of(all);
    TextBuffer text;
    for (const EnvironmentMetric& metric : environment_metrics()) {
        EnvironmentLines lines(text, sink, format, metric.name, metric.help, metric.type);
        for (std::size_t i = 0; i < all.size(); ++i) {
            lines.begin(*of_each[i]);
            metric.sample(all[i], lines);
        }
        lines.end();
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
        agent::log_error(retired.error().message());
    else
        last_retired_ = std::move(*retired);
    if (last_retired_)
        std::erase_if(
            all, [&](const Usage& usage) { return last_retired_->serials.contains(usage.serial); });
    return retired.has_value();
}

void Exporter::scrape(Format format, const TextSink& sink) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto started = std::chrono::steady_clock::now();
    // Read before what ended is stored: one that ends in between is in both, and taken out of the
    // first; the other way round it would be in none.
    auto all = read_all_usage(parent_cgroup_);
    if (!all)
        agent::log_error(all.error().message());
    std::vector<Usage> running = all ? std::move(*all) : std::vector<Usage>{};
    const bool all_stored = retire(running);
    write_environments(running, texts_, format, sink);
    const FamilySink write = [&](const MetricFamily& family, const openmetrics::Began& began) {
        sink(text_of(format, family, began));
    };
    if (last_retired_)
        for (const MetricFamily& family : retired_families(*last_retired_))
            write(family, [&](const ClientMetric&) { return began_unix_s(*last_retired_); });
    Machine machine = machine_.read();
    machine.version = version_;
    machine.up = all && machine.up;
    machine.ledger_up = all_stored;
    machine.environments = running.size();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    machine.scrape_seconds = took.count();
    for (const MachineFamily& one : machine_families(machine))
        write(one.family, [&](const ClientMetric&) { return one.began_unix_s; });
}

}  // namespace bulkhead::runtime
