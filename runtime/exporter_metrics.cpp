#include "runtime/exporter_metrics.h"

#include <array>
#include <cstdint>
#include <limits>

namespace bulkhead::runtime {
namespace {

using prometheus::MetricType;

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

double number(std::uint64_t value) {
    return static_cast<double>(value);
}

void add_pressure(const Samples& samples, const char* resource, const Pressure& pressure) {
    samples.add_labelled({{"resource", resource}, {"waiting", "some"}}, seconds(pressure.some_ns));
    samples.add_labelled({{"resource", resource}, {"waiting", "full"}}, seconds(pressure.full_ns));
}

constexpr std::
    array
        kMetrics =
            {
                EnvironmentMetric{"bulkhead_environment_cpu_seconds_total", "CPU time used.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add("mode", "user", seconds(usage.cpu_user_ns));
                                      samples.add("mode", "system", seconds(usage.cpu_system_ns));
                                  }},
                EnvironmentMetric{"bulkhead_environment_run_queue_delay_seconds_total",
                                  "Time in which tasks could have run but waited for a CPU.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(seconds(usage.run_queue_delay_ns));
                                  }},
                EnvironmentMetric{"bulkhead_environment_run_queue_wait_seconds",
                                  "Waits of tasks for a CPU, by length.", MetricType::Histogram,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add_histogram(usage.waits, usage.run_queue_delay_ns);
                                  }},
                EnvironmentMetric{
                    "bulkhead_environment_preempted_total",
                    "How often a task lost its CPU although it could have gone on, by whose task "
                    "went on instead.",
                    MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add("by", "itself", number(usage.preempted.by_itself));
                        samples.add("by", "other_environments",
                                    number(usage.preempted.by_other_environments));
                        samples.add("by", "host", number(usage.preempted.by_host));
                    }},
                EnvironmentMetric{
                    "bulkhead_environment_cpu_nice_seconds_total",
                    "User time of tasks with lowered priority. 0 on kernels before 6.13.",
                    MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add(seconds(usage.cpu_nice_ns));
                    }},
                EnvironmentMetric{
                    "bulkhead_environment_cpu_throttled_seconds_total",
                    "Time in which tasks could have run but for the CPU limit, of all CPUs.",
                    MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add(seconds(usage.throttling.throttled_ns));
                    }},
                EnvironmentMetric{"bulkhead_environment_cpu_periods_total",
                                  "Periods of the CPU limit in which something ran.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.throttling.periods));
                                  }},
                EnvironmentMetric{"bulkhead_environment_cpu_throttled_periods_total",
                                  "Periods in which the CPU limit was reached.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.throttling.throttled_periods));
                                  }},
                EnvironmentMetric{"bulkhead_environment_memory_current_bytes",
                                  "Memory charged to the environment.", MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.memory_bytes));
                                  }},
                EnvironmentMetric{"bulkhead_environment_memory_peak_bytes",
                                  "The most memory that was ever charged to the environment.",
                                  MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.memory_peak_bytes));
                                  }},
                EnvironmentMetric{
                    "bulkhead_environment_memory_kind_bytes",
                    "Memory by kind, as in memory.stat: shmem is part of file, slab of kernel.",
                    MetricType::Gauge,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add("kind", "anon", number(usage.anon_bytes));
                        samples.add("kind", "file", number(usage.file_bytes));
                        samples.add("kind", "shmem", number(usage.shmem_bytes));
                        samples.add("kind", "kernel", number(usage.kernel_bytes));
                        samples.add("kind", "slab", number(usage.slab_bytes));
                        samples.add("kind", "sock", number(usage.sock_bytes));
                    }},
                EnvironmentMetric{"bulkhead_environment_swap_bytes", "Memory swapped out.",
                                  MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.swap_bytes));
                                  }},
                EnvironmentMetric{"bulkhead_environment_memory_byte_seconds_total",
                                  "Memory charged to the environment, times how long.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.memory_byte_seconds));
                                  }},
                EnvironmentMetric{
                    "bulkhead_environment_page_faults_total",
                    "Page faults: major ones had to read from a disk.", MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add("kind", "major", number(usage.major_faults));
                        samples.add("kind", "minor", number(usage.faults - usage.major_faults));
                    }},
                EnvironmentMetric{"bulkhead_environment_memory_scanned_bytes_total",
                                  "Memory that was looked at to be reclaimed.", MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.scanned_bytes));
                                  }},
                EnvironmentMetric{"bulkhead_environment_memory_reclaimed_bytes_total",
                                  "Memory that was reclaimed.", MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.reclaimed_bytes));
                                  }},
                EnvironmentMetric{"bulkhead_environment_oom_kills_total",
                                  "Processes killed because memory ran out.", MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.oom_kills));
                                  }},
                EnvironmentMetric{"bulkhead_environment_tasks",
                                  "Tasks that live, threads included.", MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.tasks));
                                  }},
                EnvironmentMetric{"bulkhead_environment_tasks_peak",
                                  "The most tasks that ever lived at once.", MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.tasks_peak));
                                  }},
                EnvironmentMetric{"bulkhead_environment_forks_total",
                                  "Tasks ever created, threads included.", MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.forks));
                                  }},
                EnvironmentMetric{"bulkhead_environment_execs_total", "Programs ever executed.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.execs));
                                  }},
                EnvironmentMetric{"bulkhead_environment_network_bytes_total",
                                  "Network traffic, as the environment's interfaces count it.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add("direction", "received",
                                                  number(usage.received.bytes));
                                      samples.add("direction", "sent", number(usage.sent.bytes));
                                  }},
                EnvironmentMetric{"bulkhead_environment_network_packets_total",
                                  "Network packets, as the environment's interfaces count them.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add("direction", "received",
                                                  number(usage.received.packets));
                                      samples.add("direction", "sent", number(usage.sent.packets));
                                  }},
                EnvironmentMetric{
                    "bulkhead_environment_network_connects_total",
                    "Stream connections that were opened, or tried to, past the fence.",
                    MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add("family", "ipv4", number(usage.connects_ipv4));
                        samples.add("family", "ipv6", number(usage.connects_ipv6));
                    }},
                EnvironmentMetric{"bulkhead_environment_io_bytes_total",
                                  "Block I/O on all devices, as in io.stat.", MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add("direction", "read", number(usage.read.bytes));
                                      samples.add("direction", "written",
                                                  number(usage.written.bytes));
                                  }},
                EnvironmentMetric{
                    "bulkhead_environment_io_operations_total",
                    "Block I/O operations on all devices, as in io.stat.", MetricType::Counter,
                    [](const Usage& usage, const Samples& samples) {
                        samples.add("direction", "read", number(usage.read.operations));
                        samples.add("direction", "written", number(usage.written.operations));
                    }},
                EnvironmentMetric{"bulkhead_environment_pressure_seconds_total",
                                  "Time in which some or all (full) tasks waited for a resource.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      add_pressure(samples, "cpu", usage.cpu_pressure);
                                      add_pressure(samples, "memory", usage.memory_pressure);
                                      add_pressure(samples, "io", usage.io_pressure);
                                  }},
                EnvironmentMetric{"bulkhead_environment_refusals_total",
                                  "What the fence refused, by class. Only classes it ever refused.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      for (const Refusals& one : usage.refusals)
                                          if (one.refused != 0)
                                              samples.add("class", one.class_name,
                                                          number(one.refused));
                                  }},
                EnvironmentMetric{"bulkhead_environment_audited_total",
                                  "What the fence would have refused but for the audit mode, by "
                                  "class.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      for (const Refusals& one : usage.refusals)
                                          if (one.audited != 0)
                                              samples.add("class", one.class_name,
                                                          number(one.audited));
                                  }},
                EnvironmentMetric{"bulkhead_environment_internal_refusals_total",
                                  "Refused because the fence could not decide.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(number(usage.internal_refusals));
                                  }},
                EnvironmentMetric{"bulkhead_environment_events_dropped_total",
                                  "What was counted but could not be kept for people: refusals "
                                  "without a row "
                                  "for `why`, acts missing in what was learned.",
                                  MetricType::Counter,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add("kind", "refusal",
                                                  number(usage.unrecorded_refusals));
                                      samples.add("kind", "learned", number(usage.unlearned));
                                  }},
                EnvironmentMetric{"bulkhead_environment_best_effort",
                                  "1: it was started although a control is not effective here.",
                                  MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(usage.best_effort ? 1 : 0);
                                  }},
                EnvironmentMetric{"bulkhead_environment_start_time_seconds",
                                  "When it started, in seconds since 1970.", MetricType::Gauge,
                                  [](const Usage& usage, const Samples& samples) {
                                      samples.add(seconds(usage.started_unix_ns));
                                  }},
};

}  // namespace

prometheus::ClientMetric& Samples::labelled(std::initializer_list<Label> labels) const {
    prometheus::ClientMetric& sample = family_.metric.emplace_back();
    sample.label.reserve(labels.size() + 1);
    sample.label.push_back({"environment", environment_});
    for (const auto& [name, value] : labels)
        sample.label.push_back({std::string(name), std::string(value)});
    return sample;
}

void Samples::add_labelled(std::initializer_list<Label> labels, double value) const {
    prometheus::ClientMetric& sample = labelled(labels);
    if (family_.type == MetricType::Counter)
        sample.counter.value = value;
    else
        sample.gauge.value = value;
}

void Samples::add_histogram(const Waits& waits, std::uint64_t sum_ns) const {
    auto& histogram = labelled({}).histogram;
    for (unsigned i = 0; i < waits.size(); ++i) {
        histogram.sample_count += waits[i];
        const double bound = i + 1 < waits.size() ? seconds(BH_WAIT_BOUND_NS(i))
                                                  : std::numeric_limits<double>::infinity();
        histogram.bucket.push_back({histogram.sample_count, bound});
    }
    histogram.sample_sum = seconds(sum_ns);
}

std::span<const EnvironmentMetric> environment_metrics() {
    return kMetrics;
}

}  // namespace bulkhead::runtime
