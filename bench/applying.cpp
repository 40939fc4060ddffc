#include "bench/applying.h"

#include <cstdint>
#include <vector>

#include "bench/attached.h"
#include "bench/clock.h"
#include "bench/policies.h"
#include "bench/process.h"
#include "bench/stage.h"
#include "bench/timeline.h"

namespace bulkhead::bench {
namespace {

constexpr int kRuns = 9;
constexpr const char* kEnvironment = "applied";

// The first one replaces another policy, and puts programs on their hooks.
Status measure_one(const std::string& name, const Command& command, Figures& figures) {
    std::vector<std::int64_t> costs;
    BULKHEAD_TRY(run(command));
    for (int i = 0; i < kRuns; ++i) {
        settle();
        BULKHEAD_TRY_VALUE(cost, time_of(command));
        costs.push_back(cost);
    }
    figures["apply." + name] = median(costs);
    return {};
}

Status measure_sizes(const std::string& bulkhead, Figures& figures) {
    for (const int count : {100, 10'000}) {
        for (int i = 0; i < count; ++i)
            BULKHEAD_TRY(write_file(kRootfs + file_path(i), ""));
        for (const auto& [kind, text] : {std::pair{"paths_", path_rules(count)},
                                         std::pair{"networks_", network_rules(count)}}) {
            const std::string name = kind + std::to_string(count);
            const std::string file = "/tmp/" + name + ".toml";
            BULKHEAD_TRY(write_file(file, text));
            const Command command = {bulkhead, "policy", "apply", kEnvironment, file};
            BULKHEAD_TRY(measure_one(name, command, figures));
            if (count == 100)  // more have too many steps to keep
                BULKHEAD_TRY(measure_steps("apply_" + name, command, figures));
        }
    }
    return {};
}

}  // namespace

Status measure_applying(const std::string& bulkhead, Figures& figures) {
    BULKHEAD_TRY(run({bulkhead, "run", "--name", kEnvironment, "--rootfs", kRootfs, "--detach",
                      "--rm", "--", "/bin/pause"}));
    auto measured = measure_sizes(bulkhead, figures);
    BULKHEAD_TRY(run({bulkhead, "destroy", "--force", kEnvironment}));
    BULKHEAD_TRY(unload_and_detach());
    return measured;
}

}  // namespace bulkhead::bench
