#include "runtime/exporter_machine.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

#include "loader/pins.h"
#include "runtime/agent/log.h"
#include "runtime/clock.h"

namespace bulkhead::runtime {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::chrono::minutes kBetweenWalks(1);

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

// When this process started, in clock ticks since the boot: after the command, which may hold
// blanks and parentheses, the 20th field of /proc/PID/stat.
double start_ticks() {
    std::ifstream file("/proc/self/stat");
    std::string text(std::istreambuf_iterator<char>(file), {});
    text.erase(0, text.rfind(')') + 1);
    std::istringstream fields(text);
    std::string field;
    for (int i = 0; i < 19; ++i)
        fields >> field;
    double ticks = 0;
    fields >> ticks;
    return ticks;
}

OwnProcess read_own_process() {
    static const double kStart = [] {
        const double since_boot = start_ticks() / static_cast<double>(::sysconf(_SC_CLK_TCK));
        return seconds(unix_ns_of_boot_ns(static_cast<std::uint64_t>(since_boot * 1e9)));
    }();
    OwnProcess process{.start_unix_s = kStart};
    std::ifstream statm("/proc/self/statm");
    double mapped = 0, resident = 0;
    statm >> mapped >> resident;
    process.resident_bytes = resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    process.cpu_seconds =
        static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
    return process;
}

template <typename T>
T value_or_log(Result<T> read, Machine& machine) {
    if (read)
        return std::move(*read);
    agent::log_error(read.error().message());
    machine.up = false;
    return {};
}

// Families in the making, each of the samples that are added to it.
class Families {
public:
    Families(std::vector<MachineFamily>& all, std::optional<double> began)
        : all_(all), began_(began) {}

    void gauge(const char* name, const char* help) { make(name, help, MetricType::Gauge); }
    void counter(const char* name, const char* help) { make(name, help, MetricType::Counter); }
    void sample(double value, Labels labels = {}) {
        ClientMetric sample;
        sample.label = std::move(labels);
        if (all_.back().family.type == MetricType::Counter)
            sample.counter.value = value;
        else
            sample.gauge.value = value;
        all_.back().family.metric.push_back(std::move(sample));
    }

private:
    void make(const char* name, const char* help, MetricType type) {
        all_.push_back({{name, help, type, {}}, began_});
    }

    std::vector<MachineFamily>& all_;
    std::optional<double> began_;
};

void add_agent(const Machine& machine, Families families) {
    families.gauge("bulkhead_build_info", "The version, as a label; always 1.");
    families.sample(1, {{"version", machine.version}});
    families.gauge("bulkhead_up", "1: usage could be read from the kernel.");
    families.sample(machine.up ? 1 : 0);
    families.gauge("bulkhead_loaded", "1: the kernel runs programs of ours; 0: none.");
    families.sample(machine.loaded ? 1 : 0);
    families.gauge("bulkhead_environments", "Environments that are metered.");
    families.sample(static_cast<double>(machine.environments));
    families.gauge("bulkhead_ledger_up",
                   "1: what ended is in the ledger; 0: it waits, see the agent's log.");
    families.sample(machine.ledger_up ? 1 : 0);
    families.gauge("bulkhead_scrape_duration_seconds",
                   "How long reading and rendering for this scrape took.");
    families.sample(machine.scrape_seconds);
}

void add_process(const OwnProcess& process, Families families) {
    families.counter("process_cpu_seconds_total", "CPU time that the agent used.");
    families.sample(process.cpu_seconds);
    families.gauge("process_resident_memory_bytes", "Memory of the agent.");
    families.sample(process.resident_bytes);
    families.gauge("process_start_time_seconds", "When the agent started, in seconds since 1970.");
    families.sample(process.start_unix_s);
}

void add_programs(const Machine& machine, Families families) {
    families.gauge("bulkhead_program_stats_enabled",
                   "1: the kernel counts runs of BPF programs (sysctl kernel.bpf_stats_enabled).");
    families.sample(machine.program_stats_on ? 1 : 0);
    families.counter("bulkhead_program_runs_total",
                     "Runs of a BPF program. Stands still while bulkhead_program_stats_enabled is "
                     "0, as it is unless somebody turns kernel.bpf_stats_enabled on.");
    for (const loader::ProgramStats& one : machine.programs)
        families.sample(static_cast<double>(one.runs), {{"program", one.name}});
    families.counter("bulkhead_program_run_seconds_total",
                     "Time in a BPF program. Stands still while bulkhead_program_stats_enabled is "
                     "0, as it is unless somebody turns kernel.bpf_stats_enabled on.");
    for (const loader::ProgramStats& one : machine.programs)
        families.sample(seconds(one.run_ns), {{"program", one.name}});
    families.counter("bulkhead_program_skipped_total",
                     "Runs of a BPF program that the kernel left out, as it was running on that "
                     "CPU already.");
    for (const loader::ProgramStats& one : machine.programs)
        families.sample(static_cast<double>(one.skipped), {{"program", one.name}});
    families.counter("bulkhead_orphaned_refusals_total",
                     "Refusals to tasks whose environment is gone.");
    families.sample(static_cast<double>(machine.orphaned_refusals));
}

void add_maps(const Machine& machine, Families families) {
    families.gauge("bulkhead_map_entries", "Rows in a BPF map, at most a minute ago.");
    for (const loader::MapFill& one : machine.maps)
        families.sample(static_cast<double>(one.rows), {{"map", one.map}});
    families.gauge("bulkhead_map_max_entries", "Rows that a BPF map can have.");
    for (const loader::MapFill& one : machine.maps)
        families.sample(static_cast<double>(one.room), {{"map", one.map}});
}

}  // namespace

Machine MachineReader::read() {
    Machine machine;
    machine.process = read_own_process();
    machine.program_stats_on = loader::program_stats_are_on();
    const auto meta = loader::map_meta();
    machine.loaded = meta || meta.error().code() != ENOENT;
    if (!meta) {
        // Nothing loaded is a state, not a failure.
        if (meta.error().code() != ENOENT)
            (void)value_or_log<int>(fail(meta.error()), machine);
        return machine;
    }
    const auto now = std::chrono::steady_clock::now();
    if (loaded_ns_ != (*meta)[0].loaded_ns) {
        loaded_ns_ = (*meta)[0].loaded_ns;
        loaded_unix_s_ = seconds(unix_ns_of_boot_ns(loaded_ns_));
        walked_ = now - kBetweenWalks;
    }
    if (now - walked_ >= kBetweenWalks) {
        maps_ = value_or_log(loader::read_map_fill(), machine);
        walked_ = now;
    }
    machine.loaded_unix_s = loaded_unix_s_;
    machine.orphaned_refusals = (*meta)[0].orphaned;
    machine.programs = value_or_log(loader::read_program_stats(), machine);
    machine.maps = maps_;
    return machine;
}

std::vector<MachineFamily> machine_families(const Machine& machine) {
    std::vector<MachineFamily> all;
    if (machine.loaded_unix_s) {
        add_programs(machine, Families(all, machine.loaded_unix_s));
        add_maps(machine, Families(all, machine.loaded_unix_s));
    }
    add_process(machine.process, Families(all, machine.process.start_unix_s));
    add_agent(machine, Families(all, {}));
    std::erase_if(all, [](const MachineFamily& one) { return one.family.metric.empty(); });
    return all;
}

}  // namespace bulkhead::runtime
