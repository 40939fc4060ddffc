// How a plan is written on a command line.
#include <algorithm>

#include "runtime/plans.h"
#include "runtime/policy/mistakes.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {
namespace {

constexpr const char* kForm = "memory=LEAST..MOST or cpus=LEAST..MOST, such as memory=512M..2G";

Error error(const std::string& whole, const std::string& what) {
    return Error(0, "--plan " + whole + " " + what, Fault::kUsage).advise(kForm);
}

Result<std::uint64_t> parse_amount(bh_plan_resource resource, std::string_view text,
                                   const std::string& whole) {
    const auto amount = resource == BH_PLAN_MEMORY ? parse_bytes(text) : parse_cpus(text);
    if (!amount)
        return fail(error(whole, "has a bound that is none: " + amount.error().what()));
    return resource == BH_PLAN_MEMORY ? whole_pages(*amount) : *amount;
}

Result<bh_plan_resource> parse_resource(std::string_view name, const std::string& whole) {
    std::vector<std::string_view> names;
    for (unsigned resource = 0; resource < BH_PLAN_COUNT; ++resource) {
        names.emplace_back(plan_resource_name(resource));
        if (name == names.back())
            return static_cast<bh_plan_resource>(resource);
    }
    return fail(
        error(whole, "is of nothing that a plan can move" + policy::did_you_mean(name, names)));
}

// The bounds of --memory and --cpus hold for those of a plan.
Status check_bounds(bh_plan_resource resource, const PlanBounds& bounds, const std::string& whole) {
    if (bounds.least > bounds.most)
        return fail(error(whole, "begins above its end"));
    if (resource == BH_PLAN_MEMORY && bounds.least < kLeastMemoryBytes)
        return fail(error(whole, "begins below 1M: nothing starts in less"));
    if (resource == BH_PLAN_CPUS && bounds.least < kLeastCpuMilli)
        return fail(error(whole, "begins below 0.01"));
    return {};
}

Result<PlanWanted> parse_plan(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return fail(error(text, "gives no bounds"));
    BULKHEAD_TRY_VALUE(resource, parse_resource(std::string_view(text).substr(0, equals), text));
    const std::string_view rest = std::string_view(text).substr(equals + 1);
    if (rest == "none")
        return PlanWanted{resource, std::nullopt};
    const std::size_t dots = rest.find("..");
    if (dots == std::string_view::npos)
        return fail(error(text, "has no .. between two bounds"));
    BULKHEAD_TRY_VALUE(least, parse_amount(resource, rest.substr(0, dots), text));
    BULKHEAD_TRY_VALUE(most, parse_amount(resource, rest.substr(dots + 2), text));
    const PlanBounds bounds{least, most};
    BULKHEAD_TRY(check_bounds(resource, bounds, text));
    return PlanWanted{resource, bounds};
}

}  // namespace

Result<std::vector<PlanWanted>> parse_plans(const std::vector<std::string>& texts) {
    std::vector<PlanWanted> all;
    for (const std::string& text : texts) {
        BULKHEAD_TRY_VALUE(wanted, parse_plan(text));
        const bool is_second = std::any_of(all.begin(), all.end(), [&](const PlanWanted& other) {
            return other.resource == wanted.resource;
        });
        if (is_second)
            return fail(error(text, "is a second one of its kind"));
        all.push_back(wanted);
    }
    return all;
}

}  // namespace bulkhead::runtime
