// How a usage looks as JSON and to people.
#include <cstdint>

#include "runtime/clock.h"
#include "runtime/format.h"
#include "runtime/json.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {
namespace {

Json pressure_json(const Pressure& pressure) {
    return {{"some_ns", pressure.some_ns}, {"full_ns", pressure.full_ns}};
}

// Classes by which nothing was refused are left out, and what is nearly always 0: every receipt
// pays for what it has.
Json refusals_json(const Usage& usage) {
    Json refused = Json::object();
    Json audited = Json::object();
    for (const Refusals& one : usage.refusals) {
        if (one.refused != 0)
            refused[one.class_name] = one.refused;
        if (one.audited != 0)
            audited[one.class_name] = one.audited;
    }
    Json all = {{"total", usage.refused()},
                {"by_class", std::move(refused)},
                {"audited_by_class", std::move(audited)},
                {"internal", usage.internal_refusals}};
    if (usage.unrecorded_refusals != 0)
        all["unrecorded"] = usage.unrecorded_refusals;
    if (usage.unlearned != 0)
        all["unlearned"] = usage.unlearned;
    return all;
}

Json memory_json(const Usage& usage) {
    return {{"current_bytes", usage.memory_bytes},
            {"peak_bytes", usage.memory_peak_bytes},
            {"swap_bytes", usage.swap_bytes},
            {"anon_bytes", usage.anon_bytes},
            {"file_bytes", usage.file_bytes},
            {"shmem_bytes", usage.shmem_bytes},
            {"kernel_bytes", usage.kernel_bytes},
            {"slab_bytes", usage.slab_bytes},
            {"sock_bytes", usage.sock_bytes},
            {"byte_seconds", usage.memory_byte_seconds},
            {"faults", usage.faults},
            {"major_faults", usage.major_faults},
            {"minor_faults", usage.faults - usage.major_faults},
            {"scanned_bytes", usage.scanned_bytes},
            {"reclaimed_bytes", usage.reclaimed_bytes},
            {"oom_kills", usage.oom_kills}};
}

}  // namespace

Json waits_json(const Waits& waits) {
    Json all = Json::array();
    for (unsigned i = 0; i < waits.size(); ++i)
        all.push_back({{"up_to_ns", i + 1 < waits.size() ? Json(BH_WAIT_BOUND_NS(i)) : Json()},
                       {"count", waits[i]}});
    return all;
}

Json preempted_json(const Preempted& preempted) {
    return {{"by_itself", preempted.by_itself},
            {"by_other_environments", preempted.by_other_environments},
            {"by_host", preempted.by_host}};
}

Json traffic_json(const FamilyTraffic& family) {
    return {{"received_bytes", family.received.bytes},
            {"received_packets", family.received.packets},
            {"sent_bytes", family.sent.bytes},
            {"sent_packets", family.sent.packets}};
}

namespace {

Json cpu_json(const Usage& usage) {
    return {{"user_ns", usage.cpu_user_ns},
            {"system_ns", usage.cpu_system_ns},
            {"total_ns", usage.cpu_ns},
            {"nice_ns", usage.cpu_nice_ns},
            {"run_queue_delay_ns", usage.run_queue_delay_ns},
            {"waits", waits_json(usage.waits)},
            {"preempted", preempted_json(usage.preempted)},
            {"throttled_ns", usage.throttling.throttled_ns},
            {"periods", usage.throttling.periods},
            {"throttled_periods", usage.throttling.throttled_periods}};
}

// Left out while there is nothing, as above.
void add_budget_actions(Json& document, const BudgetActions& actions) {
    if (actions.throttled + actions.paused + actions.stopped == 0)
        return;
    document["budget_actions"] = {
        {"throttle", actions.throttled}, {"pause", actions.paused}, {"stop", actions.stopped}};
}

void add_plan_moves(Json& document, const PlanMoves& moves) {
    if (moves.memory_raised + moves.memory_lowered + moves.cpus_raised + moves.cpus_lowered == 0)
        return;
    document["plan_moves"] = {{"memory_raised", moves.memory_raised},
                              {"memory_lowered", moves.memory_lowered},
                              {"cpus_raised", moves.cpus_raised},
                              {"cpus_lowered", moves.cpus_lowered}};
}

// Of ARP and the like nothing is said where there was none, as above.
Json network_json(const Usage& usage) {
    const Traffic received = usage.received();
    const Traffic sent = usage.sent();
    const FamilyTraffic& ipv4 = usage.network[BH_FAMILY_IPV4];
    const FamilyTraffic& ipv6 = usage.network[BH_FAMILY_IPV6];
    const FamilyTraffic& other = usage.network[BH_FAMILY_OTHER];
    Json all = {{"received_bytes", received.bytes}, {"received_packets", received.packets},
                {"sent_bytes", sent.bytes},         {"sent_packets", sent.packets},
                {"connects_ipv4", ipv4.connects},   {"connects_ipv6", ipv6.connects},
                {"refused_ipv4", ipv4.refused},     {"refused_ipv6", ipv6.refused},
                {"ipv4", traffic_json(ipv4)},       {"ipv6", traffic_json(ipv6)}};
    if (other.refused != 0)
        all["refused_other"] = other.refused;
    if (other.received.packets + other.sent.packets != 0)
        all["other"] = traffic_json(other);
    return all;
}

std::string seconds(std::uint64_t ns) {
    return formatted("{:.3f} s", static_cast<double>(ns) / 1e9);
}

std::string bytes(std::uint64_t count) {
    constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(count);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit)
        value /= 1024;
    return unit == 0 ? formatted("{} B", count) : formatted("{:.1f} {}", value, kUnits[unit]);
}

std::string byte_seconds(std::uint64_t count) {
    return bytes(count) + "·s";
}

std::string pressure_text(const char* resource, const Pressure& pressure) {
    return formatted("{} {} some, {} full", resource, seconds(pressure.some_ns),
                     seconds(pressure.full_ns));
}

std::string traffic_text(const Traffic& received, const Traffic& sent) {
    return formatted("received {} in {} packets, sent {} in {} packets", bytes(received.bytes),
                     received.packets, bytes(sent.bytes), sent.packets);
}

// A line for the sum, and one for each family that there was anything of.
std::string network_text(const Usage& usage) {
    constexpr std::array kNames = {"IPv4", "IPv6", "other"};
    static_assert(kNames.size() == BH_FAMILY_COUNT);
    std::string text = traffic_text(usage.received(), usage.sent()) + "\n";
    for (unsigned i = 0; i < kNames.size(); ++i) {
        const FamilyTraffic& family = usage.network[i];
        if (!family.is_none())
            text += formatted("             {}: {}, {} connections opened, {} refused\n", kNames[i],
                              traffic_text(family.received, family.sent), family.connects,
                              family.refused);
    }
    return text;
}

std::string refusals_text(const Usage& usage) {
    std::string text = std::to_string(usage.refused());
    const char* separator = " (";
    for (const Refusals& one : usage.refusals) {
        if (one.refused == 0)
            continue;
        text += formatted("{}{} {}", separator, one.class_name, one.refused);
        separator = ", ";
    }
    return *separator == ',' ? text + ")" : text;
}

}  // namespace

Json to_json(const Usage& usage) {
    Json document = {
        {"environment", usage.environment},
        {"started", rfc3339(usage.started_unix_ns)},
        {"best_effort", usage.best_effort},
        {"cpu", cpu_json(usage)},
        {"memory", memory_json(usage)},
        {"tasks",
         {{"current", usage.tasks},
          {"peak", usage.tasks_peak},
          {"forks", usage.forks},
          {"execs", usage.execs}}},
        {"network", network_json(usage)},
        {"io",
         {{"read_bytes", usage.read.bytes},
          {"read_operations", usage.read.operations},
          {"written_bytes", usage.written.bytes},
          {"write_operations", usage.written.operations}}},
        {"pressure",
         {{"cpu", pressure_json(usage.cpu_pressure)},
          {"memory", pressure_json(usage.memory_pressure)},
          {"io", pressure_json(usage.io_pressure)}}},
        {"refusals", refusals_json(usage)},
    };
    add_budget_actions(document, usage.budget_actions);
    add_plan_moves(document, usage.plan_moves);
    return document;
}

std::string to_text(const Usage& usage) {
    return formatted(
        "{}{}\n"
        "  cpu        {} user, {} system, {} waiting for a CPU, {} throttled\n"
        "             preempted {} times by itself, {} by other environments, {} by the host\n"
        "  memory     {} now, {} at most, {} swapped, {} over time\n"
        "             {} anonymous, {} files, {} shared, {} kernel\n"
        "             {} faults, {} of them major; {} reclaimed\n"
        "  tasks      {} now, {} at most, {} forks, {} execs, {} killed for memory\n"
        "  network    {}"
        "  disk       read {} in {} operations, wrote {} in {} operations\n"
        "  pressure   {}\n             {}\n             {}\n"
        "  refusals   {}\n",
        usage.environment, usage.best_effort ? " (best effort)" : "", seconds(usage.cpu_user_ns),
        seconds(usage.cpu_system_ns), seconds(usage.run_queue_delay_ns),
        seconds(usage.throttling.throttled_ns), usage.preempted.by_itself,
        usage.preempted.by_other_environments, usage.preempted.by_host, bytes(usage.memory_bytes),
        bytes(usage.memory_peak_bytes), bytes(usage.swap_bytes),
        byte_seconds(usage.memory_byte_seconds), bytes(usage.anon_bytes), bytes(usage.file_bytes),
        bytes(usage.shmem_bytes), bytes(usage.kernel_bytes), usage.faults, usage.major_faults,
        bytes(usage.reclaimed_bytes), usage.tasks, usage.tasks_peak, usage.forks, usage.execs,
        usage.oom_kills, network_text(usage), bytes(usage.read.bytes), usage.read.operations,
        bytes(usage.written.bytes), usage.written.operations,
        pressure_text("cpu   ", usage.cpu_pressure), pressure_text("memory", usage.memory_pressure),
        pressure_text("io    ", usage.io_pressure), refusals_text(usage));
}

}  // namespace bulkhead::runtime
