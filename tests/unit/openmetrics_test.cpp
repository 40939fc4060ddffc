// The rules of the OpenMetrics text format, each by what is written.
#include "runtime/openmetrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bulkhead::runtime::openmetrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::optional<double> unknown(const ClientMetric& /*sample*/) {
    return std::nullopt;
}

ClientMetric counter(double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric sample;
    sample.label = std::move(labels);
    sample.counter.value = value;
    return sample;
}

ClientMetric gauge(double value) {
    ClientMetric sample;
    sample.gauge.value = value;
    return sample;
}

std::string written(const MetricFamily& family, const Began& began = unknown) {
    std::string out;
    write(out, family, began);
    return out;
}

// The line of the one sample of a gauge with this value.
std::string value_line(double value) {
    const std::string out = written({"g", "h", MetricType::Gauge, {gauge(value)}});
    return out.substr(out.rfind("\ng ") + 3);
}

TEST(OpenMetrics, NamesACountersFamilyWithoutTotal) {
    EXPECT_EQ(written({"jobs_total", "Jobs.", MetricType::Counter, {counter(3, {{"by", "host"}})}}),
              "# TYPE jobs counter\n"
              "# HELP jobs Jobs.\n"
              "jobs_total{by=\"host\"} 3\n");
}

TEST(OpenMetrics, SaysTheUnitThatTheNameEndsIn) {
    EXPECT_EQ(written({"cpu_seconds_total", "h", MetricType::Counter, {counter(0.5)}}),
              "# TYPE cpu_seconds counter\n"
              "# UNIT cpu_seconds seconds\n"
              "# HELP cpu_seconds h\n"
              "cpu_seconds_total 0.5\n");
    EXPECT_EQ(unit_of("memory_bytes"), "bytes");
    EXPECT_EQ(unit_of("memory_byte_seconds"), "byte_seconds");
    EXPECT_EQ(unit_of("start_time_seconds"), "seconds");
    EXPECT_EQ(unit_of("tasks"), "");
    EXPECT_EQ(unit_of("milliseconds"), "") << "a unit is a whole word";
    EXPECT_EQ(unit_of("seconds"), "") << "a unit is not all of the name";
}

TEST(OpenMetrics, SaysSinceWhenACounterCountsInSeconds) {
    const Began began = [](const ClientMetric& sample) -> std::optional<double> {
        return sample.label.empty() ? std::nullopt : std::optional(1795573619.5);
    };
    EXPECT_EQ(written({"jobs_total",
                       "h",
                       MetricType::Counter,
                       {counter(1, {{"environment", "web"}}), counter(2)}},
                      began),
              "# TYPE jobs counter\n"
              "# HELP jobs h\n"
              "jobs_total{environment=\"web\"} 1\n"
              "jobs_created{environment=\"web\"} 1795573619.500\n"
              "jobs_total 2\n");
}

TEST(OpenMetrics, HasNoCreatedOfAGauge) {
    const Began began = [](const ClientMetric&) { return std::optional(1.0); };
    EXPECT_EQ(written({"g", "h", MetricType::Gauge, {gauge(1)}}, began).find("_created"),
              std::string::npos);
}

TEST(OpenMetrics, WritesInfoAsItsOwnType) {
    ClientMetric sample = gauge(1);
    sample.label = {{"version", "0.1.0"}};
    EXPECT_EQ(written({"bulkhead_build_info", "h", MetricType::Gauge, {sample}}),
              "# TYPE bulkhead_build info\n"
              "# HELP bulkhead_build h\n"
              "bulkhead_build_info{version=\"0.1.0\"} 1\n");
}

TEST(OpenMetrics, WritesHistogramsWithCumulativeBucketsThatEndInInf) {
    ClientMetric sample;
    sample.label = {{"environment", "web"}};
    sample.histogram = {
        7, 3.25, {{5, 1.024e-6}, {6, 1}, {7, std::numeric_limits<double>::infinity()}}};
    const Began began = [](const ClientMetric&) { return std::optional(10.0); };
    EXPECT_EQ(written({"wait_seconds", "h", MetricType::Histogram, {sample}}, began),
              "# TYPE wait_seconds histogram\n"
              "# UNIT wait_seconds seconds\n"
              "# HELP wait_seconds h\n"
              "wait_seconds_bucket{environment=\"web\",le=\"1.024e-06\"} 5\n"
              "wait_seconds_bucket{environment=\"web\",le=\"1.0\"} 6\n"
              "wait_seconds_bucket{environment=\"web\",le=\"+Inf\"} 7\n"
              "wait_seconds_count{environment=\"web\"} 7\n"
              "wait_seconds_sum{environment=\"web\"} 3.25\n"
              "wait_seconds_created{environment=\"web\"} 10.000\n");
}

TEST(OpenMetrics, EscapesLabelsAndHelp) {
    ClientMetric sample = gauge(1);
    sample.label = {{"name", "a\"b\\c\nd"}};
    EXPECT_EQ(written({"g", "say \"x\\y\"\nz", MetricType::Gauge, {sample}}),
              "# TYPE g gauge\n"
              "# HELP g say \\\"x\\\\y\\\"\\nz\n"
              "g{name=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST(OpenMetrics, WritesNumbersSoThatTheyReadBackTheSame) {
    EXPECT_EQ(value_line(4096), "4096\n");
    EXPECT_EQ(value_line(1e15), "1000000000000000\n");
    EXPECT_EQ(value_line(-2), "-2\n");
    EXPECT_EQ(std::stod(value_line(0.1 + 0.2)), 0.1 + 0.2);
    EXPECT_EQ(std::stod(value_line(1.8446744073709552e19)), 1.8446744073709552e19);
    EXPECT_EQ(value_line(std::numeric_limits<double>::infinity()), "+Inf\n");
    EXPECT_EQ(value_line(-std::numeric_limits<double>::infinity()), "-Inf\n");
    EXPECT_EQ(value_line(std::nan("")), "NaN\n");
}

TEST(OpenMetrics, EndsWithEof) {
    std::string out = "g 1\n";
    end(out);
    EXPECT_EQ(out, "g 1\n# EOF\n");
}

}  // namespace
}  // namespace bulkhead::runtime::openmetrics
