#include "bench/starts.h"

#include <cstdint>
#include <cstdio>

#include "bench/attached.h"
#include "bench/bundle.h"
#include "bench/clock.h"
#include "bench/stage.h"
#include "bench/timeline.h"

namespace bulkhead::bench {
namespace {

constexpr int kRuns = 9;

Command bwrap() {
    return {"/usr/bin/bwrap",
            "--unshare-user",
            "--uid",
            "0",
            "--gid",
            "0",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup",
            "--hostname",
            "bench",
            "--bind",
            kRootfs,
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--ro-bind",
            "/sys",
            "/sys",
            "--",
            "/bin/true"};
}

Command oci(const char* program, const std::string& name) {
    return {program, "run", "--bundle", "/bundle-" + name, name};
}

Status write_bundles() {
    BULKHEAD_TRY(write_bundle("/bundle-crun", "crun", Isolation::kOfTheSpec));
    BULKHEAD_TRY(write_bundle("/bundle-crun_bare", "crun_bare", Isolation::kBare));
    return write_bundle("/bundle-runc", "runc", Isolation::kOfTheSpec);
}

Status measure(const std::string& name, const Command& command, Figures& figures) {
    std::vector<std::int64_t> costs;
    BULKHEAD_TRY(run(command));
    for (int i = 0; i < kRuns; ++i) {
        settle();
        BULKHEAD_TRY_VALUE(cost, time_of(command));
        costs.push_back(cost);
    }
    figures["start." + name] = median(costs);
    return measure_steps(name, command, figures);
}

}  // namespace

NamedCommands start_commands(const OwnPrograms& own) {
    return {{"spawn", {kTrue}},
            {"floor", {own.floor, kRootfs, std::string(kCgroup) + "/floor", "/bin/true"}},
            {"bwrap", bwrap()},
            {"crun", oci("/usr/bin/crun", "crun")},
            {"crun_bare", oci("/usr/bin/crun", "crun_bare")},
            {"runc", oci("/usr/sbin/runc", "runc")},
            {"bulkhead",
             {own.bulkhead, "run", "--rootfs", kRootfs, "--memory", "256M", "--cpus", "1", "--pids",
              "512", "--", "/bin/true"}}};
}

Status measure_starts(const NamedCommands& commands, Figures& figures) {
    BULKHEAD_TRY(write_bundles());
    for (const auto& [name, command] : commands)
        if (auto measured = measure(name, command, figures); !measured)
            return fail(std::move(measured).error().within("start by " + name));
    return unload_and_detach();
}

}  // namespace bulkhead::bench
