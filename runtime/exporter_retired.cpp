#include "runtime/exporter_retired.h"

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "loader/environments.h"
#include "runtime/receipts_drain.h"

namespace bulkhead::runtime {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Label = ClientMetric::Label;

constexpr double kNanosecond = 1e-9;

// A sample: the number at `path` of every receipt, added up, less those at two other paths.
struct Sample {
    std::string_view path;
    std::string_view label, label_value;    // may be empty
    std::string_view label2, label_value2;  // likewise
    std::string_view less = {}, less2 = {};
};

struct Family {
    const char* name;
    const char* help;
    double scale;
    std::array<Sample, 6> samples;
};

// Receipts of versions that did not tell families apart have the sum of all only: what is neither
// IPv4 nor IPv6 is what these leave of it, so that no sum ever goes back.
constexpr std::array<Sample, 6> kTrafficBytes = {{
    {"network.ipv4.received_bytes", "direction", "received", "family", "ipv4"},
    {"network.ipv6.received_bytes", "direction", "received", "family", "ipv6"},
    {"network.received_bytes", "direction", "received", "family", "other",
     "network.ipv4.received_bytes", "network.ipv6.received_bytes"},
    {"network.ipv4.sent_bytes", "direction", "sent", "family", "ipv4"},
    {"network.ipv6.sent_bytes", "direction", "sent", "family", "ipv6"},
    {"network.sent_bytes", "direction", "sent", "family", "other", "network.ipv4.sent_bytes",
     "network.ipv6.sent_bytes"},
}};
constexpr std::array<Sample, 6> kTrafficPackets = {{
    {"network.ipv4.received_packets", "direction", "received", "family", "ipv4"},
    {"network.ipv6.received_packets", "direction", "received", "family", "ipv6"},
    {"network.received_packets", "direction", "received", "family", "other",
     "network.ipv4.received_packets", "network.ipv6.received_packets"},
    {"network.ipv4.sent_packets", "direction", "sent", "family", "ipv4"},
    {"network.ipv6.sent_packets", "direction", "sent", "family", "ipv6"},
    {"network.sent_packets", "direction", "sent", "family", "other", "network.ipv4.sent_packets",
     "network.ipv6.sent_packets"},
}};

constexpr std::array kFamilies = {
    Family{
        "bulkhead_retired_cpu_seconds_total",
        "CPU time that ended environments used.",
        kNanosecond,
        {{{"cpu.user_ns", "mode", "user", "", ""}, {"cpu.system_ns", "mode", "system", "", ""}}}},
    Family{"bulkhead_retired_run_queue_delay_seconds_total",
           "Time in which tasks of ended environments could have run but waited for a CPU.",
           kNanosecond,
           {{{"cpu.run_queue_delay_ns", "", "", "", ""}}}},
    Family{"bulkhead_retired_preempted_total",
           "How often tasks of ended environments lost their CPU although they could have gone on.",
           1,
           {{{"cpu.preempted.by_itself", "by", "itself", "", ""},
             {"cpu.preempted.by_other_environments", "by", "other_environments", "", ""},
             {"cpu.preempted.by_host", "by", "host", "", ""}}}},
    Family{"bulkhead_retired_cpu_nice_seconds_total",
           "User time of tasks of ended environments with lowered priority.",
           kNanosecond,
           {{{"cpu.nice_ns", "", "", "", ""}}}},
    Family{"bulkhead_retired_cpu_throttled_seconds_total",
           "Time in which tasks of ended environments could have run but for the CPU limit.",
           kNanosecond,
           {{{"cpu.throttled_ns", "", "", "", ""}}}},
    Family{"bulkhead_retired_cpu_periods_total",
           "Periods of the CPU limit in which something of ended environments ran.",
           1,
           {{{"cpu.periods", "", "", "", ""}}}},
    Family{"bulkhead_retired_cpu_throttled_periods_total",
           "Periods in which ended environments reached the CPU limit.",
           1,
           {{{"cpu.throttled_periods", "", "", "", ""}}}},
    Family{"bulkhead_retired_memory_byte_seconds_total",
           "Memory of ended environments, for as long as it was held.",
           1,
           {{{"memory.byte_seconds", "", "", "", ""}}}},
    Family{"bulkhead_retired_page_faults_total",
           "Page faults of ended environments.",
           1,
           {{{"memory.major_faults", "kind", "major", "", ""},
             {"memory.minor_faults", "kind", "minor", "", ""}}}},
    Family{"bulkhead_retired_memory_scanned_bytes_total",
           "Memory of ended environments that was looked at to be reclaimed.",
           1,
           {{{"memory.scanned_bytes", "", "", "", ""}}}},
    Family{"bulkhead_retired_memory_reclaimed_bytes_total",
           "Memory of ended environments that was reclaimed.",
           1,
           {{{"memory.reclaimed_bytes", "", "", "", ""}}}},
    Family{"bulkhead_retired_oom_kills_total",
           "Processes of ended environments killed because memory ran out.",
           1,
           {{{"memory.oom_kills", "", "", "", ""}}}},
    Family{"bulkhead_retired_forks_total",
           "Tasks that ended environments created.",
           1,
           {{{"tasks.forks", "", "", "", ""}}}},
    Family{"bulkhead_retired_execs_total",
           "Programs that ended environments executed.",
           1,
           {{{"tasks.execs", "", "", "", ""}}}},
    Family{"bulkhead_retired_network_bytes_total", "Network traffic of ended environments.", 1,
           kTrafficBytes},
    Family{"bulkhead_retired_network_packets_total", "Network packets of ended environments.", 1,
           kTrafficPackets},
    Family{"bulkhead_retired_network_connects_total",
           "Stream connections that ended environments opened.",
           1,
           {{{"network.connects_ipv4", "family", "ipv4", "", ""},
             {"network.connects_ipv6", "family", "ipv6", "", ""}}}},
    Family{"bulkhead_retired_network_refused_total",
           "What the rules on addresses of ended environments refused or dropped.",
           1,
           {{{"network.refused_ipv4", "family", "ipv4", "", ""},
             {"network.refused_ipv6", "family", "ipv6", "", ""},
             {"network.refused_other", "family", "other", "", ""}}}},
    Family{"bulkhead_retired_io_bytes_total",
           "Block I/O of ended environments.",
           1,
           {{{"io.read_bytes", "direction", "read", "", ""},
             {"io.written_bytes", "direction", "written", "", ""}}}},
    Family{"bulkhead_retired_io_operations_total",
           "Block I/O operations of ended environments.",
           1,
           {{{"io.read_operations", "direction", "read", "", ""},
             {"io.write_operations", "direction", "written", "", ""}}}},
    Family{"bulkhead_retired_budget_actions_total",
           "How often an agent did what a budget of an environment that ended asked for.",
           1,
           {{{"budget_actions.throttle", "action", "throttle", "", ""},
             {"budget_actions.pause", "action", "pause", "", ""},
             {"budget_actions.stop", "action", "stop", "", ""}}}},
    Family{"bulkhead_retired_plan_moves_total",
           "How often an agent moved a limit of an environment that ended.",
           1,
           {{{"plan_moves.memory_raised", "resource", "memory", "direction", "up"},
             {"plan_moves.memory_lowered", "resource", "memory", "direction", "down"},
             {"plan_moves.cpus_raised", "resource", "cpus", "direction", "up"},
             {"plan_moves.cpus_lowered", "resource", "cpus", "direction", "down"}}}},
    Family{"bulkhead_retired_pressure_seconds_total",
           "Time in which tasks of ended environments waited for a resource.",
           kNanosecond,
           {{{"pressure.cpu.some_ns", "resource", "cpu", "waiting", "some"},
             {"pressure.cpu.full_ns", "resource", "cpu", "waiting", "full"},
             {"pressure.memory.some_ns", "resource", "memory", "waiting", "some"},
             {"pressure.memory.full_ns", "resource", "memory", "waiting", "full"},
             {"pressure.io.some_ns", "resource", "io", "waiting", "some"},
             {"pressure.io.full_ns", "resource", "io", "waiting", "full"}}}},
    Family{"bulkhead_retired_internal_refusals_total",
           "Refused in ended environments because the fence could not decide.",
           1,
           {{{"refusals.internal", "", "", "", ""}}}},
    Family{"bulkhead_retired_events_dropped_total",
           "What was counted in ended environments but could not be kept for people.",
           1,
           {{{"refusals.unrecorded", "kind", "refusal", "", ""},
             {"refusals.unlearned", "kind", "learned", "", ""}}}},
};

// Those whose label is the end of the path: a class.
struct ByClass {
    const char* name;
    const char* help;
    std::string_view prefix;
};
constexpr std::array kByClass = {
    ByClass{"bulkhead_retired_refusals_total", "What the fence refused in ended environments.",
            "refusals.by_class."},
    ByClass{"bulkhead_retired_audited_total",
            "What the fence would have refused in ended environments.",
            "refusals.audited_by_class."},
};

void add(MetricFamily& family, std::vector<Label> labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    family.metric.push_back(std::move(metric));
}

MetricFamily counter(const char* name, const char* help) {
    return {name, help, prometheus::MetricType::Counter, {}};
}

// A number that no receipt has yet is 0; one that no version meters has no series.
ledger::Totals::mapped_type total_of(const ledger::Totals& totals, std::string_view path) {
    const auto found = totals.find(std::string(path));
    return found == totals.end() ? 0 : found->second;
}

double total_of(const ledger::Totals& totals, const Sample& sample) {
    return static_cast<double>(total_of(totals, sample.path) - total_of(totals, sample.less) -
                               total_of(totals, sample.less2));
}

MetricFamily family_of(const Family& from, const ledger::Totals& totals) {
    MetricFamily family = counter(from.name, from.help);
    for (const Sample& sample : from.samples) {
        if (sample.path.empty())
            continue;
        std::vector<Label> labels;
        if (!sample.label.empty())
            labels.push_back({std::string(sample.label), std::string(sample.label_value)});
        if (!sample.label2.empty())
            labels.push_back({std::string(sample.label2), std::string(sample.label_value2)});
        add(family, std::move(labels), total_of(totals, sample) * from.scale);
    }
    return family;
}

// The same waits as a histogram, whose buckets count what is shorter, too.
MetricFamily waits_of(const ledger::Totals& totals) {
    MetricFamily family{"bulkhead_retired_run_queue_wait_seconds",
                        "Waits of tasks of ended environments for a CPU, by length.",
                        prometheus::MetricType::Histogram,
                        {}};
    ClientMetric metric;
    std::uint64_t count = 0;
    for (unsigned i = 0; i < BH_WAIT_BUCKETS; ++i) {
        count += static_cast<std::uint64_t>(
            total_of(totals, "cpu.waits." + std::to_string(i) + ".count"));
        const double bound = i + 1 < BH_WAIT_BUCKETS
                                 ? static_cast<double>(BH_WAIT_BOUND_NS(i)) / 1e9
                                 : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({count, bound});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum =
        static_cast<double>(total_of(totals, "cpu.run_queue_delay_ns")) * kNanosecond;
    family.metric.push_back(std::move(metric));
    return family;
}

MetricFamily family_of(const ByClass& from, const ledger::Totals& totals) {
    MetricFamily family = counter(from.name, from.help);
    for (auto one = totals.lower_bound(std::string(from.prefix));
         one != totals.end() && one->first.starts_with(from.prefix); ++one)
        add(family, {{"class", one->first.substr(from.prefix.size())}},
            static_cast<double>(one->second));
    return family;
}

}  // namespace

Result<Retired> read_retired(std::span<const std::uint32_t> serials) {
    auto opened = open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    const ledger::Ledger& ledger = opened->ledger;
    Retired retired;
    BULKHEAD_TRY_VALUE(totals, ledger.totals());
    BULKHEAD_TRY_VALUE(environments, ledger.count());
    retired.totals = std::move(totals);
    retired.environments = environments;
    if (const auto loaded = loader::Environments::open()) {
        BULKHEAD_TRY_VALUE(boot, ledger::boot_id());
        BULKHEAD_TRY_VALUE(stored, ledger.stored_among(boot, loaded->loaded_ns(), serials));
        retired.serials.insert(stored.begin(), stored.end());
    }
    return retired;
}

std::optional<double> began_unix_s(const Retired& retired) {
    const auto began = static_cast<double>(total_of(retired.totals, ledger::kBegan));
    return began == 0 ? std::nullopt : std::optional(began * kNanosecond);
}

std::vector<MetricFamily> retired_families(const Retired& retired) {
    std::vector<MetricFamily> families;
    families.push_back(counter("bulkhead_retired_environments_total", "Environments that ended."));
    add(families.back(), {}, static_cast<double>(retired.environments));
    for (const Family& family : kFamilies)
        families.push_back(family_of(family, retired.totals));
    families.push_back(waits_of(retired.totals));
    for (const ByClass& family : kByClass)
        if (MetricFamily made = family_of(family, retired.totals); !made.metric.empty())
            families.push_back(std::move(made));
    return families;
}

}  // namespace bulkhead::runtime
