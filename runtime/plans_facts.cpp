#include "runtime/plans_facts.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "runtime/cgroup.h"
#include "runtime/governor.h"

namespace bulkhead::runtime {
namespace {

constexpr double kMemoryPressed = 10;         // percent of the time
constexpr std::uint64_t kPeriodUs = 100'000;  // of cpu.max, as we write it

// The number behind `key` at a line's begin.
std::optional<std::uint64_t> value_of(const std::string& text, std::string_view key) {
    std::istringstream lines(text);
    std::string name;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::uint64_t value = 0;
        if (words >> name >> value && name == key)
            return value;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> whole(const Result<std::string>& text) {
    std::uint64_t number = 0;
    if (!text ||
        std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{})
        return std::nullopt;
    return number;
}

std::string text_of(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::optional<CpuTimes> cpu_times_of(const std::string& stat) {
    std::istringstream words(stat);
    std::string name;
    CpuTimes times;
    std::uint64_t ticks = 0;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests' are in the first two.
    if (!(words >> name) || name != "cpu")
        return std::nullopt;
    for (int field = 0; field < 8 && words >> ticks; ++field) {
        times.all += ticks;
        if (field == 3 || field == 4)
            times.idle += ticks;
    }
    return times.all != 0 ? std::optional(times) : std::nullopt;
}

double some_avg10(std::string_view pressure) {
    constexpr std::string_view kBefore = "some avg10=";
    double percent = 0;
    if (pressure.starts_with(kBefore)) {
        pressure.remove_prefix(kBefore.size());
        std::from_chars(pressure.data(), pressure.data() + pressure.size(), percent);
    }
    return percent;
}

std::optional<std::uint64_t> read_limit(const Cgroup& cgroup, bh_plan_resource resource) {
    if (resource == BH_PLAN_MEMORY)
        return whole(cgroup.read("memory.high"));
    const auto max = cgroup.read("cpu.max");
    const auto quota = max ? parse_cpu_max(*max) : Result<CpuQuota>(fail(Error(max.error())));
    if (!quota || quota->quota_us == BH_NEVER)
        return std::nullopt;
    return quota->quota_us * 1000 / quota->period_us;
}

std::optional<std::uint64_t> read_memory_use(const Cgroup& cgroup) {
    return whole(cgroup.read("memory.current"));
}

std::optional<Load> read_memory_load(const Cgroup& cgroup) {
    const auto limit = read_limit(cgroup, BH_PLAN_MEMORY);
    const auto used = read_memory_use(cgroup);
    if (!limit || !used)
        return std::nullopt;
    const auto pressure = cgroup.read("memory.pressure");
    return Load{*limit, *used, pressure && some_avg10(*pressure) >= kMemoryPressed};
}

std::optional<Load> read_cpu_load(const Cgroup& cgroup, bh_plan& plan, std::uint64_t now_ns) {
    const auto limit = read_limit(cgroup, BH_PLAN_CPUS);
    const auto stat = cgroup.read("cpu.stat");
    if (!limit || !stat)
        return std::nullopt;
    const std::uint64_t used_us = value_of(*stat, "usage_usec").value_or(0);
    const std::uint64_t throttled = value_of(*stat, "nr_throttled").value_or(0);
    const std::uint64_t before_us = plan.seen[0], before = plan.seen[1];
    const std::uint64_t since_us = (now_ns - plan.looked_ns) / 1000;
    const bool is_first = plan.looked_ns == 0;
    plan.seen[0] = used_us;
    plan.seen[1] = throttled;
    if (is_first || since_us == 0)
        return std::nullopt;
    return Load{*limit, (used_us - before_us) * 1000 / since_us,
                (throttled - before) * 10 >= since_us / kPeriodUs && throttled != before};
}

Spare read_spare_memory(std::uint64_t promised) {
    const std::string text = text_of("/proc/meminfo");
    const auto total = value_of(text, "MemTotal:");
    const auto available = value_of(text, "MemAvailable:");
    return total && available ? spare_memory(*total * 1024, *available * 1024, promised) : Spare{};
}

Spare read_spare_cpus() {
    static std::optional<CpuTimes> last;
    const std::optional<CpuTimes> before = std::exchange(last, cpu_times_of(text_of("/proc/stat")));
    return before && last ? spare_cpus(*before, *last, std::thread::hardware_concurrency())
                          : Spare{};
}

}  // namespace bulkhead::runtime
