#include "runtime/policy/classes.h"

#include <array>

#include "loader/coverage.h"
#include "loader/refusals.h"
#include "runtime/policy/mistakes.h"

namespace bulkhead::policy {

std::optional<bh_class> find_class(std::string_view name) {
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id) {
        if (name == loader::class_name(class_id))
            return static_cast<bh_class>(class_id);
    }
    return std::nullopt;
}

std::vector<std::string_view> class_names() {
    std::vector<std::string_view> names;
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        names.emplace_back(loader::class_name(class_id));
    return names;
}

Result<bh_class> parse_class(std::string_view name) {
    if (const auto class_id = find_class(name)) {
        if (class_id == BH_CLASS_BEANCOUNTERS)
            return fail(Error(0, "beancounters are limits, not rules of a policy", Fault::kUsage)
                            .advise("bulkhead set NAME --beancounter numfile=BARRIER:LIMIT"));
        if (loader::is_enforced(*class_id))
            return *class_id;
        return fail(
            Error(0, "the class " + std::string(name) + " is not enforced", Fault::kUnsupported)
                .advise("bulkhead doctor shows the classes that are"));
    }
    const auto names = class_names();
    std::string known;
    for (const std::string_view one : names)
        known += std::string(known.empty() ? "" : ", ") + std::string(one);
    return fail(Error(0,
                      "no class is named \"" + std::string(name) + "\"" + did_you_mean(name, names),
                      Fault::kUsage)
                    .advise("classes are " + known));
}

namespace {

constexpr std::array kModes = {"enforce", "audit", "learn"};
static_assert(kModes.size() == BH_MODE_COUNT);

}  // namespace

Result<bh_mode> parse_mode(std::string_view name) {
    for (unsigned mode = 0; mode < kModes.size(); ++mode) {
        if (name == kModes[mode])
            return static_cast<bh_mode>(mode);
    }
    return fail_usage("\"" + std::string(name) + "\" is no mode: enforce, audit or learn");
}

const char* mode_name(std::uint64_t control) {
    const auto mode = static_cast<std::size_t>(BH_CONTROL_MODE(control));
    return mode < kModes.size() ? kModes[mode] : "unknown";
}

}  // namespace bulkhead::policy
