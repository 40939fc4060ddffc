// The metrics of an environment, a row for each.
#pragma once

#include <prometheus/metric_type.h>

#include <span>

#include "runtime/exporter_lines.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

struct EnvironmentMetric {
    const char* name;
    const char* help;
    prometheus::MetricType type;
    void (*sample)(const Usage& usage, EnvironmentLines& lines);
};

std::span<const EnvironmentMetric> environment_metrics();

}  // namespace bulkhead::runtime
