#include "runtime/exec_usage.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "loader/meters.h"
#include "loader/refusals.h"
#include "runtime/clock.h"
#include "runtime/format.h"
#include "runtime/receipt.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kPageBytes = 4096;  // of x86-64; what the kernel counts in

Traffic traffic(const bh_traffic& counted) {
    return {counted.bytes, counted.packets};
}

void copy_counts(const bh_task_counts& from, ExecUsage& to) {
    bh_usage divided{};
    divided.cpu_ns = from.cpu_ns;
    divided.cpu_user_sampled_ns = from.cpu_user_sampled_ns;
    divided.cpu_system_sampled_ns = from.cpu_system_sampled_ns;
    loader::divide_cpu_time(divided);
    to.cpu_user_ns = divided.cpu_user_ns;
    to.cpu_system_ns = divided.cpu_system_ns;
    to.cpu_ns = from.cpu_ns;
    to.run_queue_delay_ns = from.run_delay_ns;
    to.voluntary_switches = from.voluntary_switches;
    to.involuntary_switches = from.involuntary_switches;
    to.faults = from.minor_faults + from.major_faults;
    to.major_faults = from.major_faults;
    to.read_bytes = from.read_bytes;
    to.written_bytes = from.written_bytes;
}

ExecUsage usage_of(std::uint64_t number, const bh_exec& exec, std::uint64_t boot_unix_ns) {
    ExecUsage usage;
    usage.environment = exec.environment;
    usage.number = number;
    usage.command = exec.command;
    usage.pid = exec.pid;
    usage.started_unix_ns = boot_unix_ns + exec.started_ns;
    if (exec.exited_ns != 0)
        usage.exit_status = static_cast<int>(exec.exit_status);
    copy_counts(exec.counts, usage);
    std::copy(std::begin(exec.waits), std::end(exec.waits), usage.waits.begin());
    usage.preempted = preempted_of(exec.preempted);
    usage.largest_process_bytes = exec.largest_pages * kPageBytes;
    usage.tasks = exec.tasks;
    usage.tasks_peak = exec.tasks_peak;
    usage.forks = exec.forks;
    usage.execs = exec.execs;
    usage.cpu_nice_ns = exec.cpu_nice_sampled_ns;
    for (unsigned family = 0; family < BH_FAMILY_COUNT; ++family)
        usage.network[family] = {.received = traffic(exec.traffic[BH_RECEIVED][family]),
                                 .sent = traffic(exec.traffic[BH_SENT][family]),
                                 .connects = exec.connects[family]};
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        usage.refusals.push_back(
            {loader::class_name(class_id), exec.refused[class_id], exec.audited[class_id]});
    return usage;
}

std::uint64_t refused(const ExecUsage& usage) {
    std::uint64_t sum = 0;
    for (const Refusals& one : usage.refusals)
        sum += one.refused;
    return sum;
}

Json refusals_json(const ExecUsage& usage) {
    Json refused_by = Json::object();
    Json audited_by = Json::object();
    for (const Refusals& one : usage.refusals) {
        if (one.refused != 0)
            refused_by[one.class_name] = one.refused;
        if (one.audited != 0)
            audited_by[one.class_name] = one.audited;
    }
    return {{"total", refused(usage)},
            {"by_class", std::move(refused_by)},
            {"audited_by_class", std::move(audited_by)}};
}

// What passes its hooks is IP.
Json network_json(const ExecUsage& usage) {
    const FamilyTraffic& ipv4 = usage.network[BH_FAMILY_IPV4];
    const FamilyTraffic& ipv6 = usage.network[BH_FAMILY_IPV6];
    return {{"received_bytes", ipv4.received.bytes + ipv6.received.bytes},
            {"received_packets", ipv4.received.packets + ipv6.received.packets},
            {"sent_bytes", ipv4.sent.bytes + ipv6.sent.bytes},
            {"sent_packets", ipv4.sent.packets + ipv6.sent.packets},
            {"connects_ipv4", ipv4.connects},
            {"connects_ipv6", ipv6.connects},
            {"ipv4", traffic_json(ipv4)},
            {"ipv6", traffic_json(ipv6)}};
}

}  // namespace

ExecUsage exec_usage_of(std::uint64_t number, const bh_exec& exec) {
    return usage_of(number, exec, unix_ns_of_boot_ns(0));
}

ExecUsage exec_usage_of(const ledger::EndedExec& ended) {
    ExecUsage usage = usage_of(ended.number, ended.exec, ended.boot_unix_ns);
    usage.ended_unix_ns = ended.boot_unix_ns + ended.ended_boot_ns;
    usage.exactness = ended.exactness;
    return usage;
}

// Null is what the kernel does not count for one task.
Json to_json(const ExecUsage& usage) {
    return {{"environment", usage.environment},
            {"exec", usage.number},
            {"command", usage.command},
            {"pid", usage.pid},
            {"started", rfc3339(usage.started_unix_ns)},
            {"cpu",
             {{"user_ns", usage.cpu_user_ns},
              {"system_ns", usage.cpu_system_ns},
              {"total_ns", usage.cpu_ns},
              {"nice_ns", usage.cpu_nice_ns},
              {"run_queue_delay_ns", usage.run_queue_delay_ns},
              {"waits", waits_json(usage.waits)},
              {"preempted", preempted_json(usage.preempted)},
              {"voluntary_switches", usage.voluntary_switches},
              {"involuntary_switches", usage.involuntary_switches}}},
            {"memory",
             {{"current_bytes", nullptr},
              {"peak_bytes", nullptr},
              {"largest_process_bytes", usage.largest_process_bytes},
              {"faults", usage.faults},
              {"major_faults", usage.major_faults},
              {"minor_faults", usage.faults - usage.major_faults}}},
            {"tasks",
             {{"current", usage.tasks},
              {"peak", usage.tasks_peak},
              {"forks", usage.forks},
              {"execs", usage.execs}}},
            {"network", network_json(usage)},
            {"io", {{"read_bytes", usage.read_bytes}, {"written_bytes", usage.written_bytes}}},
            {"refusals", refusals_json(usage)}};
}

Json receipt_json(const ExecUsage& usage) {
    Json all = to_json(usage);
    all["ended"] = rfc3339(usage.ended_unix_ns);
    all["exit"] = exit_json(usage.exit_status);
    all["exact"] = usage.exactness == ledger::Exactness::kExact;
    return all;
}

std::string to_text(const ExecUsage& usage) {
    return formatted(
        "  exec {:<5} {}, process {}: {:.3f} s user, {:.3f} s system, {} tasks now, {} at most, {} "
        "forks, {} execs, {} refusals\n",
        usage.number, usage.command, usage.pid, static_cast<double>(usage.cpu_user_ns) / 1e9,
        static_cast<double>(usage.cpu_system_ns) / 1e9, usage.tasks, usage.tasks_peak, usage.forks,
        usage.execs, refused(usage));
}

}  // namespace bulkhead::runtime
