#include "cli/limit_options.h"

#include <string_view>

#include "runtime/spec.h"

namespace bulkhead::cli {
namespace {

using Parse = Result<std::uint64_t> (*)(std::string_view);

Status take(const std::string& text, Parse parse, Lifting lifting,
            std::optional<std::uint64_t>& into) {
    if (text.empty())
        return {};
    if (lifting == Lifting::kTaken && text == "unlimited") {
        into = runtime::kNoLimit;
        return {};
    }
    BULKHEAD_TRY_VALUE(limit, parse(text));
    into = limit;
    return {};
}

}  // namespace

Result<runtime::Limits> limits_of(const LimitOptions& options, Lifting lifting) {
    runtime::Limits limits;
    BULKHEAD_TRY(take(options.memory, runtime::parse_bytes, lifting, limits.memory_bytes));
    BULKHEAD_TRY(take(options.swap, runtime::parse_bytes, lifting, limits.swap_bytes));
    BULKHEAD_TRY(take(options.cpus, runtime::parse_cpus, lifting, limits.cpu_milli));
    // No guarantee is one of 0.
    BULKHEAD_TRY(
        take(options.memory_min, runtime::parse_bytes, Lifting::kRefused, limits.memory_min_bytes));
    BULKHEAD_TRY(
        take(options.memory_low, runtime::parse_bytes, Lifting::kRefused, limits.memory_low_bytes));
    limits.cpu_weight = options.cpu_weight;
    limits.io_weight = options.io_weight;
    limits.pids = options.pids;
    return limits;
}

}  // namespace bulkhead::cli
