#include "runtime/policy.h"

#include <toml++/toml.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "loader/environments.h"
#include "loader/refusals.h"

namespace bulkhead::runtime {
namespace {

std::string place(const std::string& file, const toml::source_region& source) {
    return file + ":" + std::to_string(source.begin.line) + ":" +
           std::to_string(source.begin.column);
}

tl::unexpected<Error> mistake(const std::string& file, const toml::node& node,
                              const std::string& what) {
    return fail_usage(place(file, node.source()) + ": " + what);
}

Result<std::uint64_t> apply_mode(const std::string& file, const toml::node& node,
                                 std::uint64_t control) {
    const auto name = node.value<std::string>();
    if (!name)
        return mistake(file, node, "mode is a string");
    const auto mode = parse_mode(*name);
    if (!mode)
        return mistake(file, node, mode.error().message());
    return loader::with_mode(control, *mode);
}

Result<std::uint64_t> apply_allow(const std::string& file, const toml::node& node,
                                  std::uint64_t control) {
    const toml::array* classes = node.as_array();
    if (classes == nullptr)
        return mistake(file, node, "allow is a list of classes");
    for (const toml::node& entry : *classes) {
        const auto name = entry.value<std::string>();
        if (!name)
            return mistake(file, entry, "a class is a string");
        const auto class_id = parse_class(*name);
        if (!class_id)
            return mistake(file, entry, class_id.error().message());
        control = loader::allowing(control, *class_id);
    }
    return control;
}

// However many keys were applied, what an environment starts with is its first generation.
std::uint64_t as_first_generation(std::uint64_t control) {
    const std::uint64_t rest = control & ((1ULL << BH_CONTROL_GENERATION_SHIFT) - 1);
    return rest | (1ULL << BH_CONTROL_GENERATION_SHIFT);
}

Result<std::uint64_t> compile(const std::string& file, const toml::table& table) {
    std::uint64_t control = loader::kDefaultControl;
    for (const auto& [key, node] : table) {
        if (key == "mode") {
            BULKHEAD_TRY_VALUE(changed, apply_mode(file, node, control));
            control = changed;
        } else if (key == "allow") {
            BULKHEAD_TRY_VALUE(changed, apply_allow(file, node, control));
            control = changed;
        } else {
            return mistake(file, node,
                           "unknown key " + std::string(key.str()) + "; known are mode and allow");
        }
    }
    return as_first_generation(control);
}

Result<std::uint64_t> load_file(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        return fail(Error(errno, "--policy " + path, Fault::kUsage));
    std::stringstream text;
    text << file.rdbuf();
    try {
        return compile(path, toml::parse(text.str(), path));
    } catch (const toml::parse_error& error) {
        return fail_usage(place(path, error.source()) + ": " + std::string(error.description()));
    }
}

}  // namespace

Result<std::uint64_t> load_policy(const std::string& name) {
    if (name.find('/') != std::string::npos || name.ends_with(".toml"))
        return load_file(name);
    if (name == "default")
        return loader::kDefaultControl;
    if (name == "audit")
        return as_first_generation(loader::with_mode(loader::kDefaultControl, BH_MODE_AUDIT));
    return fail(Error(0, "no profile is named \"" + name + "\"", Fault::kUsage)
                    .advise("profiles are default and audit; a file is named with its path"));
}

Result<bh_class> parse_class(std::string_view name) {
    std::string known;
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id) {
        if (name == loader::class_name(class_id))
            return static_cast<bh_class>(class_id);
        known += std::string(known.empty() ? "" : ", ") + loader::class_name(class_id);
    }
    return fail(Error(0, "no class is named \"" + std::string(name) + "\"", Fault::kUsage)
                    .advise("classes are " + known));
}

Result<bh_mode> parse_mode(std::string_view name) {
    if (name == "enforce")
        return BH_MODE_ENFORCE;
    if (name == "audit")
        return BH_MODE_AUDIT;
    return fail_usage("\"" + std::string(name) + "\" is no mode: enforce or audit");
}

const char* mode_name(std::uint64_t control) {
    return BH_CONTROL_MODE(control) == BH_MODE_AUDIT ? "audit" : "enforce";
}

}  // namespace bulkhead::runtime
