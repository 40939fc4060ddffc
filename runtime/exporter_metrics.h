// The metrics of an environment, a row for each.
#pragma once

#include <prometheus/metric_family.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/usage.h"

namespace bulkhead::runtime {

// Samples of one metric: each environment adds its own, under its name.
class Samples {
public:
    Samples(prometheus::MetricFamily& family, const std::string& environment)
        : family_(family), environment_(environment) {}

    // Name and value.
    using Label = std::pair<std::string_view, std::string_view>;

    void add(double value) const { add_labelled({}, value); }
    void add(std::string_view label, std::string_view label_value, double value) const {
        add_labelled({{label, label_value}}, value);
    }
    void add_labelled(std::initializer_list<Label> labels, double value) const;
    // `sum_ns`: of all waits.
    void add_histogram(const Waits& waits, std::uint64_t sum_ns) const;

private:
    prometheus::ClientMetric& labelled(std::initializer_list<Label> labels) const;

    prometheus::MetricFamily& family_;
    const std::string& environment_;
};

struct EnvironmentMetric {
    const char* name;
    const char* help;
    prometheus::MetricType type;
    void (*sample)(const Usage& usage, const Samples& samples);
};

std::span<const EnvironmentMetric> environment_metrics();

}  // namespace bulkhead::runtime
