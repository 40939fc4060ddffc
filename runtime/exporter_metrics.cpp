#include "runtime/exporter_metrics.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace bulkhead::runtime {
namespace {

using prometheus::MetricType;

Nanoseconds seconds(std::uint64_t ns) {
    return {ns};
}

std::string class_label(std::string_view name) {
    std::string label;
    label.reserve(name.size() + 8);
    label = "class=\"";
    label += name;
    label += '"';
    return label;
}

std::string kind_label(const Budget& budget) {
    return std::string("kind=\"") + loader::budget_name(budget.kind) + '"';
}

// In the base unit of its kind: processes, bytes, seconds, byte-seconds.
void add_amount(EnvironmentLines& lines, const Budget& budget, std::uint64_t amount) {
    if (budget.kind == BH_BUDGET_CPU || budget.kind == BH_BUDGET_WALL)
        lines.add(kind_label(budget), seconds(amount));
    else
        lines.add(kind_label(budget), amount);
}

struct FamilyLabels {
    bh_family id;
    std::string_view name, received, sent;
};
constexpr FamilyLabels kFamilies[] = {
    {BH_FAMILY_IPV4, R"(family="ipv4")", R"(direction="received",family="ipv4")",
     R"(direction="sent",family="ipv4")"},
    {BH_FAMILY_IPV6, R"(family="ipv6")", R"(direction="received",family="ipv6")",
     R"(direction="sent",family="ipv6")"},
    {BH_FAMILY_OTHER, R"(family="other")", R"(direction="received",family="other")",
     R"(direction="sent",family="other")"},
};

// Both directions of what `number` says of a family. Other families than those of IP have samples
// once there was anything of them.
template <typename Number>
void add_traffic(const Usage& usage, EnvironmentLines& lines, Number number) {
    for (const FamilyLabels& family : kFamilies) {
        const FamilyTraffic& traffic = usage.network[family.id];
        if (family.id == BH_FAMILY_OTHER && traffic.is_none())
            continue;
        lines.add(family.received, number(traffic.received));
        lines.add(family.sent, number(traffic.sent));
    }
}

constexpr EnvironmentMetric kMetrics[] = {
    {"bulkhead_environment_cpu_seconds_total", "CPU time used.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(mode="user")", seconds(usage.cpu_user_ns));
         lines.add(R"(mode="system")", seconds(usage.cpu_system_ns));
     }},
    {"bulkhead_environment_run_queue_delay_seconds_total",
     "Time in which tasks could have run but waited for a CPU.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(seconds(usage.run_queue_delay_ns));
     }},
    {"bulkhead_environment_run_queue_wait_seconds", "Waits of tasks for a CPU, by length.",
     MetricType::Histogram,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add_histogram(usage.waits, seconds(usage.run_queue_delay_ns));
     }},
    {"bulkhead_environment_preempted_total",
     "How often a task lost its CPU although it could have gone on, by whose task "
     "went on instead.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(by="itself")", usage.preempted.by_itself);
         lines.add(R"(by="other_environments")", usage.preempted.by_other_environments);
         lines.add(R"(by="host")", usage.preempted.by_host);
     }},
    {"bulkhead_environment_cpu_nice_seconds_total",
     "User time of tasks with lowered priority. 0 on kernels that do not keep it.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(seconds(usage.cpu_nice_ns)); }},
    {"bulkhead_environment_cpu_throttled_seconds_total",
     "Time in which tasks could have run but for the CPU limit, of all CPUs.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(seconds(usage.throttling.throttled_ns));
     }},
    {"bulkhead_environment_cpu_periods_total", "Periods of the CPU limit in which something ran.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.throttling.periods); }},
    {"bulkhead_environment_cpu_throttled_periods_total",
     "Periods in which the CPU limit was reached.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(usage.throttling.throttled_periods);
     }},
    {"bulkhead_environment_memory_current_bytes", "Memory charged to the environment.",
     MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.memory_bytes); }},
    {"bulkhead_environment_memory_peak_bytes",
     "The most memory that was ever charged to the environment.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.memory_peak_bytes); }},
    {"bulkhead_environment_memory_kind_bytes",
     "Memory by kind, as in memory.stat: shmem is part of file, slab of kernel.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(kind="anon")", usage.anon_bytes);
         lines.add(R"(kind="file")", usage.file_bytes);
         lines.add(R"(kind="shmem")", usage.shmem_bytes);
         lines.add(R"(kind="kernel")", usage.kernel_bytes);
         lines.add(R"(kind="slab")", usage.slab_bytes);
         lines.add(R"(kind="sock")", usage.sock_bytes);
     }},
    {"bulkhead_environment_swap_bytes", "Memory swapped out.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.swap_bytes); }},
    {"bulkhead_environment_memory_byte_seconds_total",
     "Memory charged to the environment, times how long.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.memory_byte_seconds); }},
    {"bulkhead_environment_page_faults_total", "Page faults: major ones had to read from a disk.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(kind="major")", usage.major_faults);
         lines.add(R"(kind="minor")", usage.faults - usage.major_faults);
     }},
    {"bulkhead_environment_memory_scanned_bytes_total",
     "Memory that was looked at to be reclaimed.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.scanned_bytes); }},
    {"bulkhead_environment_memory_reclaimed_bytes_total", "Memory that was reclaimed.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.reclaimed_bytes); }},
    {"bulkhead_environment_oom_kills_total", "Processes killed because memory ran out.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.oom_kills); }},
    {"bulkhead_environment_tasks", "Tasks that live, threads included.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.tasks); }},
    {"bulkhead_environment_tasks_peak", "The most tasks that ever lived at once.",
     MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.tasks_peak); }},
    {"bulkhead_environment_forks_total", "Tasks ever created, threads included.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.forks); }},
    {"bulkhead_environment_execs_total", "Programs ever executed.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.execs); }},
    {"bulkhead_environment_network_bytes_total",
     "Network traffic, as the environment's interfaces count it.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         add_traffic(usage, lines, [](const Traffic& one) { return one.bytes; });
     }},
    {"bulkhead_environment_network_packets_total",
     "Network packets, as the environment's interfaces count them.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         add_traffic(usage, lines, [](const Traffic& one) { return one.packets; });
     }},
    {"bulkhead_environment_network_connects_total",
     "Stream connections that were opened, or tried to, past the fence.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(family="ipv4")", usage.network[BH_FAMILY_IPV4].connects);
         lines.add(R"(family="ipv6")", usage.network[BH_FAMILY_IPV6].connects);
     }},
    {"bulkhead_environment_network_refused_total",
     "What the policy's rules on addresses refused or dropped. Only families they ever did.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const FamilyLabels& family : kFamilies)
             if (usage.network[family.id].refused != 0)
                 lines.add(family.name, usage.network[family.id].refused);
     }},
    {"bulkhead_environment_io_bytes_total", "Block I/O on all devices, as in io.stat.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(direction="read")", usage.read.bytes);
         lines.add(R"(direction="written")", usage.written.bytes);
     }},
    {"bulkhead_environment_io_operations_total",
     "Block I/O operations on all devices, as in io.stat.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(direction="read")", usage.read.operations);
         lines.add(R"(direction="written")", usage.written.operations);
     }},
    {"bulkhead_environment_pressure_seconds_total",
     "Time in which some or all (full) tasks waited for a resource.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(resource="cpu",waiting="some")", seconds(usage.cpu_pressure.some_ns));
         lines.add(R"(resource="cpu",waiting="full")", seconds(usage.cpu_pressure.full_ns));
         lines.add(R"(resource="memory",waiting="some")", seconds(usage.memory_pressure.some_ns));
         lines.add(R"(resource="memory",waiting="full")", seconds(usage.memory_pressure.full_ns));
         lines.add(R"(resource="io",waiting="some")", seconds(usage.io_pressure.some_ns));
         lines.add(R"(resource="io",waiting="full")", seconds(usage.io_pressure.full_ns));
     }},
    {"bulkhead_environment_refusals_total",
     "What the fence refused, by class. Only classes it ever refused.", MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Refusals& one : usage.refusals)
             if (one.refused != 0)
                 lines.add(class_label(one.class_name), one.refused);
     }},
    {"bulkhead_environment_audited_total",
     "What the fence would have refused but for the audit mode, by "
     "class.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Refusals& one : usage.refusals)
             if (one.audited != 0)
                 lines.add(class_label(one.class_name), one.audited);
     }},
    {"bulkhead_environment_internal_refusals_total", "Refused because the fence could not decide.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) { lines.add(usage.internal_refusals); }},
    {"bulkhead_environment_events_dropped_total",
     "What was counted but could not be kept for people: refusals "
     "without a row "
     "for `why`, acts missing in what was learned.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(R"(kind="refusal")", usage.unrecorded_refusals);
         lines.add(R"(kind="learned")", usage.unlearned);
     }},
    {"bulkhead_environment_budget_amount",
     "What may be used in a period: processes, bytes, seconds or byte-seconds.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Budget& budget : usage.budgets)
             add_amount(lines, budget, budget.amount);
     }},
    {"bulkhead_environment_budget_spent", "What was used of a budget in the period that is.",
     MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Budget& budget : usage.budgets)
             add_amount(lines, budget, budget.used);
     }},
    {"bulkhead_environment_budget_exceeded",
     "1: more than the budget was used, or asked for, in the period that is.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Budget& budget : usage.budgets)
             lines.add(kind_label(budget), std::uint64_t{budget.is_exceeded});
     }},
    {"bulkhead_environment_budget_waiting",
     "1: what the budget asks an agent for, throttle, pause or stop, is not done.",
     MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         for (const Budget& budget : usage.budgets)
             lines.add(kind_label(budget), std::uint64_t{budget.standing == Standing::kWaits});
     }},
    {"bulkhead_environment_budget_actions_total",
     "How often an agent did what a budget asks for. Only environments with budgets.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         if (usage.budgets.empty())
             return;
         lines.add(R"(action="throttle")", usage.budget_actions.throttled);
         lines.add(R"(action="pause")", usage.budget_actions.paused);
         lines.add(R"(action="stop")", usage.budget_actions.stopped);
     }},
    {"bulkhead_environment_plan_moves_total",
     "How often an agent moved a limit of a plan. Only environments with plans.",
     MetricType::Counter,
     [](const Usage& usage, EnvironmentLines& lines) {
         if (!usage.has_plans)
             return;
         lines.add(R"(resource="memory",direction="up")", usage.plan_moves.memory_raised);
         lines.add(R"(resource="memory",direction="down")", usage.plan_moves.memory_lowered);
         lines.add(R"(resource="cpus",direction="up")", usage.plan_moves.cpus_raised);
         lines.add(R"(resource="cpus",direction="down")", usage.plan_moves.cpus_lowered);
     }},
    {"bulkhead_environment_best_effort",
     "1: it was started although a control is not effective here.", MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(std::uint64_t{usage.best_effort});
     }},
    {"bulkhead_environment_start_time_seconds", "When it started, in seconds since 1970.",
     MetricType::Gauge,
     [](const Usage& usage, EnvironmentLines& lines) {
         lines.add(seconds(usage.started_unix_ns));
     }},
};

// All that EnvironmentLines puts behind a name fits.
constexpr std::string_view kLongestEnd = "_created";
static_assert(std::ranges::all_of(kMetrics, [](const EnvironmentMetric& metric) {
    return std::string_view(metric.name).size() + kLongestEnd.size() <= MetricText::kRoom;
}));

}  // namespace

std::span<const EnvironmentMetric> environment_metrics() {
    return kMetrics;
}

}  // namespace bulkhead::runtime
