// bulkhead why: the last refusals of an environment, explained.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "loader/refusals.h"
#include "runtime/explain.h"
#include "runtime/life.h"

namespace bulkhead::cli {
namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;

struct Options {
    std::string name;
    bool json = false;
};

std::string when(const bh_refusal& refusal) {
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    const auto now_ns = static_cast<std::uint64_t>(boot.tv_sec) * kNanoseconds +
                        static_cast<std::uint64_t>(boot.tv_nsec);
    const auto ago_s = static_cast<std::time_t>((now_ns - refusal.time_ns) / kNanoseconds);
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr) - ago_s));
}

std::string comm(const bh_refusal& refusal) {
    return std::string(refusal.comm, ::strnlen(refusal.comm, sizeof refusal.comm));
}

std::string flags(const bh_refusal& refusal) {
    if ((refusal.flags & BH_REFUSAL_AUDITED) != 0)
        return " (allowed: audit)";
    return (refusal.flags & BH_REFUSAL_INTERNAL) != 0 ? " (could not be decided)" : "";
}

nlohmann::json to_json(const std::string& name, const bh_refusal& refusal) {
    return {{"environment", name},
            {"time", when(refusal)},
            {"sequence", refusal.sequence},
            {"pid", refusal.pid},
            {"tid", refusal.tid},
            {"comm", comm(refusal)},
            {"uid", refusal.uid},
            {"hook", loader::hook_name(refusal.hook)},
            {"object", runtime::describe_object(refusal)},
            {"rule", loader::class_name(refusal.class_id)},
            {"meaning", loader::class_meaning(refusal.class_id)},
            {"errno", runtime::error_name(refusal)},
            {"generation", refusal.generation},
            {"audited", (refusal.flags & BH_REFUSAL_AUDITED) != 0},
            {"internal", (refusal.flags & BH_REFUSAL_INTERNAL) != 0}};
}

void print(const std::string& name, const bh_refusal& refusal) {
    fmt::print("{} {} {}[{}] uid {}: {} {}: {} by rule {} ({}), generation {}{}\n", when(refusal),
               name, comm(refusal), refusal.pid, refusal.uid, loader::hook_name(refusal.hook),
               runtime::describe_object(refusal), runtime::error_name(refusal),
               loader::class_name(refusal.class_id), loader::class_meaning(refusal.class_id),
               refusal.generation, flags(refusal));
}

Result<int> why(const Options& options) {
    BULKHEAD_TRY_VALUE(environments, runtime::open_loaded());
    BULKHEAD_TRY_VALUE(label, runtime::find_environment(environments, options.name));
    BULKHEAD_TRY_VALUE(rows,
                       loader::read_refusals(label, environments.state(label)->refusal_count));
    if (options.json) {
        nlohmann::json array = nlohmann::json::array();
        for (const bh_refusal& row : rows)
            array.push_back(to_json(options.name, row));
        std::puts(array.dump(2).c_str());
        return 0;
    }
    for (const bh_refusal& row : rows)
        print(options.name, row);
    if (rows.empty())
        fmt::print("nothing was refused\n");
    return 0;
}

Action declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "the environment")->required();
    app.add_flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return why(*options); };
}

}  // namespace

const Command kWhy = {"why", "explain the last refusals", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
