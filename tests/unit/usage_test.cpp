// One usage, shown three ways: the same numbers everywhere.
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <sstream>

#include "loader/meters.h"
#include "runtime/exporter.h"
#include "runtime/exporter_metrics.h"
#include "runtime/receipt.h"
#include "tests/unit/json_print.h"

namespace bulkhead::runtime {
namespace {

loader::MeterReading reading() {
    loader::MeterReading reading{};
    std::strcpy(reading.record.name, "web");
    reading.usage.cpu_user_ns = 1'500'000'000;
    reading.usage.cpu_system_ns = 500'000'000;
    reading.usage.cpu_ns = 2'000'000'000;
    reading.usage.memory_bytes = 4096;
    reading.usage.oom_kills = 1;
    reading.state.refused[BH_CLASS_BPF] = 3;
    reading.state.refused[BH_CLASS_SIGNAL] = 2;
    reading.state.audited[BH_CLASS_MOUNTS] = 7;
    reading.state.unrecorded = 4;
    reading.state.counts.traffic[BH_RECEIVED][BH_FAMILY_IPV4] = {60, 3};
    reading.state.counts.traffic[BH_RECEIVED][BH_FAMILY_IPV6] = {40, 2};
    reading.state.counts.unreached[BH_FAMILY_IPV6] = 9;
    return reading;
}

// The value of the sample with these labels; -1 when there is none.
double sample(const std::vector<prometheus::MetricFamily>& families, const std::string& name,
              const std::vector<prometheus::ClientMetric::Label>& labels) {
    for (const auto& family : families)
        for (const auto& metric : family.metric)
            if (family.name == name && metric.label == labels)
                return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                                      : metric.gauge.value;
    return -1;
}

prometheus::ClientMetric sample_of(const std::string& mode, double value) {
    prometheus::ClientMetric sample;
    sample.label = {{"environment", "web"}, {"mode", mode}};
    sample.counter.value = value;
    return sample;
}

std::string metrics_of(const std::vector<Usage>& all, Format format = Format::kText) {
    std::string text;
    EnvironmentTexts texts;
    write_environments(all, texts, format, [&](std::string_view family) { text += family; });
    return text;
}

// The value of the sample that stands so in the text; empty when there is none.
std::string value_of(const std::string& text, const std::string& sample) {
    const std::size_t at = text.find("\n" + sample + " ");
    if (at == std::string::npos)
        return "";
    const std::size_t begin = at + sample.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(Usage, JsonHasUnitsInItsNames) {
    const auto json = to_json(usage_of(reading()));
    EXPECT_EQ(json["environment"], "web");
    EXPECT_EQ(json["cpu"]["user_ns"], 1'500'000'000);
    EXPECT_EQ(json["memory"]["current_bytes"], 4096);
    EXPECT_EQ(json["network"]["received_bytes"], 100);
}

// What stands in the first column of the table of numbers in docs/metering.md.
std::set<std::string> described_numbers() {
    std::ifstream page(BULKHEAD_SOURCE_DIR "/docs/metering.md");
    std::set<std::string> paths;
    const std::regex path("`([a-z_0-9.]+)`");
    bool is_in_table = false;
    for (std::string line; std::getline(page, line);) {
        is_in_table =
            line.starts_with("| In `usage --json`") || (is_in_table && line.starts_with("|"));
        const std::string first = line.substr(0, line.find('|', 2));
        if (!is_in_table || first.starts_with("| In"))
            continue;
        for (std::sregex_iterator one(first.begin(), first.end(), path), none; one != none; ++one)
            paths.insert((*one)[1]);
    }
    return paths;
}

// Each number of the document is below one of the paths; `used` gets those.
void expect_described(const std::string& path, const Json& node,
                      const std::set<std::string>& described, std::set<std::string>& used) {
    if (described.contains(path)) {
        used.insert(path);
        return;
    }
    EXPECT_FALSE(node.members().empty()) << path << " is not in docs/metering.md";
    const std::string begin = path.empty() ? "" : path + ".";
    for (const auto& [key, value] : node.members())
        expect_described(std::string(begin).append(key), value, described, used);
}

TEST(Usage, EachNumberIsDescribedAndNothingElse) {
    Usage all = usage_of(reading());
    all.unlearned = 1;
    all.network[BH_FAMILY_OTHER] = {{1, 1}, {1, 1}, 0, 1};
    all.budget_actions.paused = 1;
    all.plan_moves.memory_raised = 1;
    const std::set<std::string> described = described_numbers();
    std::set<std::string> used;
    expect_described("", to_json(all), described, used);
    for (const std::string& path : described)
        EXPECT_TRUE(used.contains(path)) << path << " of docs/metering.md is no number of usage";
}

TEST(Usage, RefusalsAreByClassAndInTotal) {
    const auto json = to_json(usage_of(reading()))["refusals"];
    EXPECT_EQ(json["total"], 5);
    EXPECT_EQ(json["by_class"], (Json{{"bpf", 3}, {"signal", 2}}));
    EXPECT_EQ(json["audited_by_class"], (Json{{"mounts", 7}}));
}

TEST(Usage, NetworkIsByFamilyAndInTotal) {
    auto read = reading();
    const auto json = to_json(usage_of(read))["network"];
    EXPECT_EQ(json["received_bytes"], 100);
    EXPECT_EQ(json["received_packets"], 5);
    EXPECT_EQ(json["ipv4"]["received_bytes"], 60);
    EXPECT_EQ(json["ipv6"]["received_packets"], 2);
    EXPECT_EQ(json["refused_ipv4"], 0);
    EXPECT_EQ(json["refused_ipv6"], 9);
    EXPECT_FALSE(json.contains("other"));
    read.state.counts.traffic[BH_SENT][BH_FAMILY_OTHER] = {42, 1};
    const auto with_arp = to_json(usage_of(read))["network"];
    EXPECT_EQ(with_arp["other"]["sent_bytes"], 42);
    EXPECT_EQ(with_arp["sent_bytes"], 42);
    const std::string text = to_text(usage_of(read));
    EXPECT_NE(text.find("received 100 B in 5 packets, sent 42 B in 1 packets\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("IPv6: received 40 B in 2 packets, sent 0 B in 0 packets, 0 connections "
                        "opened, 9 refused\n"),
              std::string::npos)
        << text;
}

TEST(Usage, MetricsOfTheNetworkAreByFamily) {
    auto read = reading();
    const auto values = [&](const std::string& labels) {
        return value_of(
            metrics_of({usage_of(read)}),
            "bulkhead_environment_network_bytes_total{environment=\"web\"," + labels + "}");
    };
    EXPECT_EQ(values("direction=\"received\",family=\"ipv4\""), "60");
    EXPECT_EQ(values("direction=\"received\",family=\"ipv6\""), "40");
    EXPECT_EQ(values("direction=\"sent\",family=\"ipv6\""), "0");
    EXPECT_EQ(values("direction=\"sent\",family=\"other\""), "");
    read.state.counts.traffic[BH_SENT][BH_FAMILY_OTHER] = {42, 1};
    EXPECT_EQ(values("direction=\"sent\",family=\"other\""), "42");
    const std::string refused = "bulkhead_environment_network_refused_total{environment=\"web\",";
    EXPECT_EQ(value_of(metrics_of({usage_of(read)}), refused + "family=\"ipv6\"}"), "9");
    EXPECT_EQ(value_of(metrics_of({usage_of(read)}), refused + "family=\"ipv4\"}"), "");
}

TEST(Usage, TextNamesWhatWasRefused) {
    const std::string text = to_text(usage_of(reading()));
    EXPECT_NE(text.find("5 (signal 2, bpf 3)"), std::string::npos) << text;
    EXPECT_NE(text.find("1.500 s user"), std::string::npos) << text;
}

TEST(Usage, MetricsAreTheSameNumbersInBaseUnits) {
    auto read = reading();
    read.usage.cpu_system_ns = 1'000'000'007;
    read.usage.throttled_ns = 40;
    const std::string text = metrics_of({usage_of(read)});
    const auto value = [&](const std::string& name, const std::string& labels = "") {
        return value_of(text,
                        "bulkhead_environment_" + name + "{environment=\"web\"" + labels + "}");
    };
    EXPECT_EQ(value("cpu_seconds_total", ",mode=\"user\""), "1.5");
    EXPECT_EQ(value("cpu_seconds_total", ",mode=\"system\""), "1.000000007");
    EXPECT_EQ(value("cpu_throttled_seconds_total"), "0.00000004");
    EXPECT_EQ(value("cpu_nice_seconds_total"), "0");
    EXPECT_EQ(value("memory_current_bytes"), "4096");
    EXPECT_EQ(value("refusals_total", ",class=\"bpf\""), "3");
    EXPECT_EQ(value("refusals_total", ",class=\"perf\""), "");
}

// As the serialiser of the model writes a family, which is that of the other families.
TEST(Usage, MetricsAreWrittenAsTheModelIs) {
    using prometheus::MetricType;
    auto read = reading();
    read.state.counts.run_delay_ns = 3'000'000'000;
    const std::vector<Usage> all = {usage_of(read)};
    EnvironmentTexts texts;
    std::string text;
    write_environments(all, texts, Format::kOpenMetrics,
                       [&](std::string_view family) { text += family; });
    prometheus::ClientMetric memory, waits;
    memory.label = waits.label = {{"environment", "web"}};
    memory.gauge.value = 4096;
    waits.histogram.sample_sum = 3;
    for (unsigned i = 0; i < BH_WAIT_BUCKETS; ++i)
        waits.histogram.bucket.push_back({0, i + 1 < BH_WAIT_BUCKETS
                                                 ? static_cast<double>(BH_WAIT_BOUND_NS(i)) / 1e9
                                                 : std::numeric_limits<double>::infinity()});
    const auto began_unix_s = static_cast<double>(all[0].started_unix_ns) / 1e9;
    for (const prometheus::MetricFamily& family :
         std::vector<prometheus::MetricFamily>{{"bulkhead_environment_cpu_seconds_total",
                                                "CPU time used.",
                                                MetricType::Counter,
                                                {sample_of("user", 1.5), sample_of("system", 0.5)}},
                                               {"bulkhead_environment_memory_current_bytes",
                                                "Memory charged to the environment.",
                                                MetricType::Gauge,
                                                {memory}},
                                               {"bulkhead_environment_run_queue_wait_seconds",
                                                "Waits of tasks for a CPU, by length.",
                                                MetricType::Histogram,
                                                {waits}}}) {
        std::string as_model;
        openmetrics::write(as_model, family, [&](const auto&) { return began_unix_s; });
        EXPECT_NE(text.find(as_model), std::string::npos) << as_model << "\nis not in\n" << text;
    }
}

TEST(Usage, MetricsInTheOlderFormatAreWrittenAsTheLibraryDoes) {
    std::ostringstream as_library;
    prometheus::TextSerializer().Serialize(as_library,
                                           {{"bulkhead_environment_cpu_seconds_total",
                                             "CPU time used.",
                                             prometheus::MetricType::Counter,
                                             {sample_of("user", 1.5), sample_of("system", 0.5)}}});
    EXPECT_TRUE(metrics_of({usage_of(reading())}).starts_with(as_library.str()));
}

TEST(Usage, WaitsFallIntoTheBucketOfTheirBound) {
    EXPECT_EQ(bh_wait_bucket(1), 0U);
    for (unsigned i = 0; i + 1 < BH_WAIT_BUCKETS; ++i) {
        EXPECT_EQ(bh_wait_bucket(BH_WAIT_BOUND_NS(i)), i);
        EXPECT_EQ(bh_wait_bucket(BH_WAIT_BOUND_NS(i) + 1), i + 1);
    }
    EXPECT_EQ(bh_wait_bucket(~0ULL), BH_WAIT_BUCKETS - 1U);
}

TEST(Usage, WaitsAreACumulativeHistogramInSeconds) {
    auto read = reading();
    read.state.counts.waits[0] = 5;
    read.state.counts.waits[BH_WAIT_BUCKETS - 1] = 2;
    read.state.counts.run_delay_ns = 3'000'000'000;
    const std::string name = "bulkhead_environment_run_queue_wait_seconds";
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
        const std::string text = metrics_of({usage_of(read)}, format);
        EXPECT_NE(text.find("# TYPE " + name + " histogram\n"), std::string::npos);
        EXPECT_EQ(value_of(text, name + "_bucket{environment=\"web\",le=\"1.024e-06\"}"), "5");
        EXPECT_EQ(value_of(text, name + "_bucket{environment=\"web\",le=\"+Inf\"}"), "7");
        EXPECT_EQ(value_of(text, name + "_count{environment=\"web\"}"), "7");
        EXPECT_EQ(value_of(text, name + "_sum{environment=\"web\"}"), "3");
    }
}

// Beyond what byte-milliseconds in 64 bits could hold: 4 TiB for 200 days.
TEST(Usage, MemoryOverTimeIsInByteSeconds) {
    auto read = reading();
    read.state.counts.memory_page_ms = 1500;
    EXPECT_EQ(usage_of(read).memory_byte_seconds, 4096U + 2048U);
    read.state.counts.memory_page_ms = 1'000'000'000'000'000'000;
    EXPECT_EQ(usage_of(read).memory_byte_seconds, 4'096'000'000'000'000'000U);
}

TEST(Usage, NoEnvironmentGivesNoFamilies) {
    EXPECT_EQ(metrics_of({}), "");
}

TEST(Retired, SumsAreTheSameNumbersInBaseUnits) {
    ledger::Totals totals;
    ledger::add_numbers(to_json(usage_of(reading())), totals);
    ledger::add_numbers(to_json(usage_of(reading())), totals);
    const auto families = retired_families({totals, 2, {}});
    EXPECT_EQ(sample(families, "bulkhead_retired_environments_total", {}), 2);
    EXPECT_EQ(sample(families, "bulkhead_retired_cpu_seconds_total", {{"mode", "user"}}), 3);
    EXPECT_EQ(sample(families, "bulkhead_retired_network_bytes_total",
                     {{"direction", "received"}, {"family", "ipv4"}}),
              120);
    EXPECT_EQ(sample(families, "bulkhead_retired_network_refused_total", {{"family", "ipv6"}}), 18);
    EXPECT_EQ(sample(families, "bulkhead_retired_refusals_total", {{"class", "bpf"}}), 6);
    EXPECT_EQ(sample(families, "bulkhead_retired_oom_kills_total", {}), 2);
    EXPECT_EQ(sample(families, "bulkhead_retired_events_dropped_total", {{"kind", "refusal"}}), 8);
}

// What earlier versions stored has no families: it stays in the sum of all.
TEST(Retired, SumOfFamiliesIsWhatEveryReceiptHas) {
    ledger::Totals totals = {{"network.received_bytes", 1000}};
    ledger::add_numbers(to_json(usage_of(reading())), totals);
    const auto families = retired_families({totals, 2, {}});
    const auto value = [&](const char* family) {
        return sample(families, "bulkhead_retired_network_bytes_total",
                      {{"direction", "received"}, {"family", family}});
    };
    EXPECT_EQ(value("ipv4"), 60);
    EXPECT_EQ(value("ipv6"), 40);
    EXPECT_EQ(value("other"), 1000);
}

// Each counter of an environment has its sum: whoever adds one adds the other.
TEST(Retired, HasASumForEveryCounterOfAnEnvironment) {
    std::set<std::string> sums;
    for (const auto& family : retired_families(
             {{{"refusals.by_class.bpf", 1}, {"refusals.audited_by_class.bpf", 1}}, 1, {}}))
        sums.insert(family.name);
    const std::string mine = "bulkhead_environment_";
    for (const EnvironmentMetric& metric : environment_metrics())
        if (metric.type != prometheus::MetricType::Gauge) {
            EXPECT_TRUE(
                sums.contains("bulkhead_retired_" + std::string(metric.name).substr(mine.size())))
                << metric.name;
        }
}

TEST(Receipt, TellsHowItEnded) {
    Receipt receipt{
        .usage = usage_of(reading()), .ended_unix_ns = 1'000'000'001, .exit_status = {}};
    EXPECT_TRUE(to_json(receipt)["exit"].is_null());
    receipt.exit_status = W_EXITCODE(3, 0);
    EXPECT_EQ(to_json(receipt)["exit"]["code"], 3);
    receipt.exit_status = W_EXITCODE(0, 9);
    EXPECT_EQ(to_json(receipt)["exit"]["signal"], 9);
    EXPECT_EQ(to_json(receipt)["ended"], "1970-01-01T00:00:01.000000001Z");
    EXPECT_EQ(to_json(receipt)["out_of_memory"], true);
}

TEST(Receipt, ReplacesTheFileOrLeavesIt) {
    const std::string path = testing::TempDir() + "receipt.json";
    const Receipt receipt{.usage = usage_of(reading()), .ended_unix_ns = 0, .exit_status = {}};
    ASSERT_TRUE(write_receipt(receipt, path));
    std::ifstream file(path);
    const auto read = Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ((*read)["environment"], "web");
    EXPECT_FALSE(write_receipt(receipt, "/nonexistent/receipt.json"));
}

}  // namespace
}  // namespace bulkhead::runtime
