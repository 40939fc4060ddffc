#include "bench/rendering.h"

#include <string>
#include <vector>

#include "bench/clock.h"
#include "runtime/exporter.h"

namespace bulkhead::bench {
namespace {

using runtime::Usage;

constexpr std::uint32_t kEnvironments = 1000;

// Numbers as an environment has them after a day: of 11 to 13 digits in what is counted in
// nanoseconds and bytes, none of them round.
class Numbers {
public:
    std::uint64_t next() { return (state_ = state_ * 6364136223846793005 + 1) >> 22; }
    std::uint64_t next_count() { return next() >> 18; }

private:
    std::uint64_t state_ = 1;
};

Usage busy(std::uint32_t serial, Numbers& numbers) {
    Usage usage;
    usage.environment = "environment-" + std::to_string(serial);
    usage.serial = serial;
    usage.started_unix_ns = numbers.next() << 16;
    for (std::uint64_t* number :
         {&usage.cpu_user_ns, &usage.cpu_system_ns, &usage.cpu_nice_ns, &usage.run_queue_delay_ns,
          &usage.throttling.throttled_ns, &usage.memory_bytes, &usage.memory_peak_bytes,
          &usage.swap_bytes, &usage.anon_bytes, &usage.file_bytes, &usage.shmem_bytes,
          &usage.kernel_bytes, &usage.slab_bytes, &usage.sock_bytes, &usage.memory_byte_seconds,
          &usage.faults, &usage.scanned_bytes, &usage.reclaimed_bytes})
        *number = numbers.next();
    for (std::uint64_t& wait : usage.waits)
        wait = numbers.next_count();
    usage.preempted = {numbers.next_count(), numbers.next_count(), numbers.next_count()};
    usage.forks = numbers.next_count();
    usage.execs = numbers.next_count();
    // Without a link to others there is nothing but IP.
    for (const bh_family family : {BH_FAMILY_IPV4, BH_FAMILY_IPV6})
        usage.network[family] = {{numbers.next(), numbers.next_count()},
                                 {numbers.next(), numbers.next_count()},
                                 numbers.next_count(),
                                 0};
    usage.network[BH_FAMILY_IPV4].refused = numbers.next_count();
    usage.read = {numbers.next(), numbers.next_count()};
    usage.written = {numbers.next(), numbers.next_count()};
    usage.cpu_pressure = {numbers.next(), numbers.next()};
    usage.memory_pressure = {numbers.next(), numbers.next()};
    usage.io_pressure = {numbers.next(), numbers.next()};
    usage.refusals = {{"bpf", numbers.next_count(), 0}, {"signal", 0, 0}};
    return usage;
}

}  // namespace

void measure_rendering(Figures& figures) {
    std::vector<Usage> all;
    Numbers numbers;
    for (std::uint32_t serial = 1; serial <= kEnvironments; ++serial)
        all.push_back(busy(serial, numbers));
    runtime::EnvironmentTexts texts;
    texts.of(all);
    const auto cost = [&](runtime::Format format) {
        settle(1000);
        std::size_t bytes = 0;
        const std::int64_t begin = now();
        runtime::write_environments(all, texts, format,
                                    [&](std::string_view text) { bytes += text.size(); });
        return bytes == 0 ? 0 : now() - begin;
    };
    figures["render.openmetrics"] = cost(runtime::Format::kOpenMetrics);
    figures["render.text"] = cost(runtime::Format::kText);
}

}  // namespace bulkhead::bench
