// The OpenMetrics text format 1.0.0 of prometheus-cpp's model, whose own serialiser writes the
// older format only. Without exemplars and without timestamps of samples.
// https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::runtime::openmetrics {

inline constexpr std::string_view kContentType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// From when the counter or histogram of a sample counts, in seconds since 1970; none: not known.
using Began = std::function<std::optional<double>(const prometheus::ClientMetric& sample)>;

// The unit that the name of a family ends in, which the format wants to be said again; empty: none.
std::string_view unit_of(std::string_view family);

// Appends a family: counters, gauges and histograms. A counter's family is named without `_total`,
// and a gauge `…_info` is of the format's type info.
void write(std::string& out, const prometheus::MetricFamily& family, const Began& began);

// The name of a counter's family here.
std::string_view without_total(std::string_view name);

// The parts of it, appended, for who writes samples without the model.
void append_head(std::string& out, std::string_view name, std::string_view type,
                 std::string_view help);
void append_escaped(std::string& out, std::string_view text);
// A bound is a label, so all must write it in the same way: a float has a point or an exponent.
void append_bound(std::string& out, double bound);
// In seconds with three digits after the point: cheaper by whole numbers than by the library.
void append_timestamp(std::string& out, double unix_s);

// Appends what must stand last.
void end(std::string& out);

}  // namespace bulkhead::runtime::openmetrics
