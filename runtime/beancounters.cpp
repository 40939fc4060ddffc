#include "runtime/beancounters.h"

#include <charconv>

#include "loader/environments.h"
#include "runtime/beancounter_sources.h"
#include "runtime/cgroup.h"
#include "runtime/life.h"
#include "runtime/policy/mistakes.h"

namespace bulkhead::runtime {
namespace {

constexpr std::string_view kUnlimited = "unlimited";

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

Result<std::uint64_t> parse_bound(std::string_view text, const std::string& whole) {
    if (text == kUnlimited)
        return BH_UNLIMITED;
    const auto bound = number(text);
    if (!bound || *bound == BH_UNLIMITED)
        return fail(
            Error(0, "\"" + std::string(text) + "\" in --beancounter " + whole + " is no number",
                  Fault::kUsage)
                .advise("NAME=BARRIER:LIMIT, each a number or unlimited"));
    return *bound;
}

Result<bh_beancounter_id> parse_name(std::string_view name) {
    std::vector<std::string_view> names;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter)
        names.emplace_back(loader::beancounter_name(counter));
    std::string known;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter) {
        if (name == names[counter])
            return static_cast<bh_beancounter_id>(counter);
        known += (counter == 0 ? "" : ", ") + std::string(names[counter]);
    }
    return fail(Error(0,
                      "no beancounter is named \"" + std::string(name) + "\"" +
                          policy::did_you_mean(name, names),
                      Fault::kUsage)
                    .advise("beancounters are " + known));
}

Status check_bounds(const BeancounterBounds& wanted) {
    const std::string name = loader::beancounter_name(wanted.counter);
    if (const Unbounded* shown = unbounded(wanted.counter))
        return fail(Error(0, name + shown->reason, Fault::kUsage).advise(shown->remedy));
    if (wanted.bounds.barrier > wanted.bounds.limit)
        return fail(Error(0, "the barrier of " + name + " is above its limit", Fault::kUsage)
                        .advise(name + "=BARRIER:LIMIT"));
    return {};
}

bool is_bounded(const loader::Bounds& bounds) {
    return bounds.barrier != BH_UNLIMITED || bounds.limit != BH_UNLIMITED;
}

}  // namespace

Result<BeancounterBounds> parse_bounds(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return fail(Error(0, "--beancounter " + text + " gives no bounds", Fault::kUsage)
                        .advise("NAME=BARRIER:LIMIT, such as numfile=900:1000"));
    BULKHEAD_TRY_VALUE(counter, parse_name(std::string_view(text).substr(0, equals)));
    const std::string_view bounds = std::string_view(text).substr(equals + 1);
    const std::size_t colon = bounds.find(':');
    BeancounterBounds wanted{counter, {}};
    BULKHEAD_TRY_VALUE(barrier, parse_bound(bounds.substr(0, colon), text));
    wanted.bounds = {barrier, barrier};
    if (colon != std::string_view::npos) {
        BULKHEAD_TRY_VALUE(limit, parse_bound(bounds.substr(colon + 1), text));
        wanted.bounds.limit = limit;
    }
    BULKHEAD_TRY(check_bounds(wanted));
    return wanted;
}

Status set_bounds(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                  const BeancounterBounds& wanted) {
    const loader::Bounds& bounds = wanted.bounds;
    if (const InCgroup* row = in_cgroup(wanted.counter)) {
        const bool unlimited = bounds.limit >= BH_UNLIMITED / row->unit;
        BULKHEAD_TRY(
            cgroup.write(row->limit, unlimited ? "max" : std::to_string(bounds.limit * row->unit)));
    }
    return is_bounded(bounds) ? loader::set_bounds(environments, label, wanted.counter, bounds)
                              : loader::clear_bounds(environments, label, wanted.counter);
}

Status set_bounds_of(const std::string& name, const std::vector<BeancounterBounds>& wanted) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    const bool adopted = (environments.record(label)->flags & BH_ENV_ADOPTED) != 0;
    for (const BeancounterBounds& one : wanted) {
        if (adopted && in_cgroup(one.counter) != nullptr)
            return fail(Error(0,
                              name + " was adopted: the limits of its cgroup are not ours, " +
                                  loader::beancounter_name(one.counter) + " is one of them",
                              Fault::kUsage)
                            .advise("set it where the cgroup is made, such as its service's unit"));
        BULKHEAD_TRY(set_bounds(environments, label, *cgroup, one));
    }
    return {};
}

}  // namespace bulkhead::runtime
