#include "runtime/spec.h"

#include <sys/random.h>

#include <charconv>
#include <cmath>

#include "bpf/wire.h"
#include "runtime/environment_name.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kLargestWeight = 10'000;

bool is_absolute(std::string_view path) {
    return !path.empty() && path.front() == '/';
}

bool has_dot_dot(std::string_view path) {
    return (std::string(path) + "/").find("/../") != std::string::npos;
}

std::string quoted(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

Status validate_weight(const char* option, const std::optional<std::uint64_t>& weight) {
    if (weight && (*weight == 0 || *weight > kLargestWeight))
        return fail_usage(std::string(option) + " is between 1 and 10000");
    return {};
}

Status validate_limits(const Limits& limits) {
    if (limits.memory_bytes && *limits.memory_bytes < kLeastMemoryBytes)
        return fail_usage("--memory is at least 1M: nothing starts in less");
    if (limits.cpu_milli && *limits.cpu_milli < kLeastCpuMilli)
        return fail_usage("--cpus is at least 0.01");
    if (limits.pids && *limits.pids == 0)
        return fail_usage("--pids is at least 1");
    BULKHEAD_TRY(validate_weight("--cpu-weight", limits.cpu_weight));
    return validate_weight("--io-weight", limits.io_weight);
}

// A plan's limit is its own.
Status validate_plans(const EnvironmentSpec& spec) {
    for (const PlanWanted& plan : spec.plans) {
        if (plan.resource == BH_PLAN_MEMORY && spec.limits.memory_bytes)
            return fail_usage("--memory and --plan memory: a plan's maximum is the limit");
        if (plan.resource == BH_PLAN_CPUS && spec.limits.cpu_milli)
            return fail_usage("--cpus and --plan cpus: a plan's maximum is the limit");
    }
    return {};
}

// What is guaranteed must be allowed.
Status validate_guarantees(const Limits& limits) {
    if (!limits.memory_bytes)
        return {};
    if (limits.memory_min_bytes.value_or(0) > *limits.memory_bytes)
        return fail_usage("--memory-min is above the limit of memory");
    if (limits.memory_low_bytes.value_or(0) > *limits.memory_bytes)
        return fail_usage("--memory-low is above the limit of memory");
    return {};
}

Status validate_destination(const char* option, std::string_view path) {
    if (!is_absolute(path) || path == "/" || has_dot_dot(path))
        return fail_usage(std::string(option) + ": the destination " + quoted(path) +
                          " is not an absolute path below / without ..");
    return {};
}

Status validate_mounts(const EnvironmentSpec& spec) {
    for (const BindMount& mount : spec.mounts) {
        if (!is_absolute(mount.source))
            return fail_usage("--mount: the source " + quoted(mount.source) +
                              " is not an absolute path");
        BULKHEAD_TRY(validate_destination("--mount", mount.destination));
    }
    for (const std::string& destination : spec.tmpfs)
        BULKHEAD_TRY(validate_destination("--tmpfs", destination));
    return {};
}

Status validate_process(const ProcessSpec& process) {
    if (process.argv.empty() || process.argv.front().empty())
        return fail_usage("no command was given: it stands after --");
    for (const std::string& variable : process.env) {
        if (variable.find('=') == std::string::npos || variable.front() == '=')
            return fail_usage("--env " + quoted(variable) + " is not NAME=VALUE");
    }
    if (!process.workdir.empty() && !is_absolute(process.workdir))
        return fail_usage("--workdir " + quoted(process.workdir) + " is not an absolute path");
    return {};
}

}  // namespace

Status validate_name(std::string_view name) {
    if (!is_environment_name(name))
        return fail(Error(0,
                          "the name " + quoted(name.substr(0, BH_NAME_BYTES)) + " cannot be used",
                          Fault::kUsage)
                        .advise(std::string(kNameAdvice)));
    return {};
}

Status validate(const EnvironmentSpec& spec) {
    BULKHEAD_TRY(validate_name(spec.name));
    if (spec.hostname.size() > 64)
        return fail_usage("--hostname has at most 64 bytes");
    const bool is_host = spec.root.kind == RootKind::kTemplate && spec.root.path == kHostTemplate;
    if (!is_host && !is_absolute(spec.root.path))
        return fail(Error(0, "no template is named " + quoted(spec.root.path), Fault::kUsage)
                        .advise("--template is \"host\" or the absolute path of a directory"));
    BULKHEAD_TRY(validate_limits(spec.limits));
    BULKHEAD_TRY(validate_plans(spec));
    BULKHEAD_TRY(validate_guarantees(with_plans(spec.limits, spec.plans)));
    BULKHEAD_TRY(validate_mounts(spec));
    return validate_process(spec.process);
}

std::string generate_name() {
    unsigned char bytes[5];
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return "env-0";
    std::string name = "env-";
    for (const unsigned char byte : bytes) {
        constexpr const char* kDigits = "0123456789abcdef";
        name += kDigits[byte >> 4];
        name += kDigits[byte & 15];
    }
    return name;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    unsigned shift = 0;
    if (unit == "K" || unit == "k")
        shift = 10;
    else if (unit == "M" || unit == "m")
        shift = 20;
    else if (unit == "G" || unit == "g")
        shift = 30;
    else if (unit == "T" || unit == "t")
        shift = 40;
    else if (!unit.empty())
        shift = 64;
    if (error != std::errc{} || shift == 64 || (number << shift) >> shift != number)
        return fail_usage(quoted(text) + " is not a number of bytes such as 512M or 2G");
    return number << shift;
}

Result<std::uint64_t> parse_cpus(std::string_view text) {
    double cpus = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), cpus);
    if (error != std::errc{} || rest != text.data() + text.size() || !(cpus > 0) || cpus > 100'000)
        return fail_usage(quoted(text) + " is not a number of CPUs such as 0.5 or 2");
    return static_cast<std::uint64_t>(std::llround(cpus * 1000));
}

Result<BindMount> parse_mount(std::string_view text) {
    BindMount mount;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        return fail_usage("--mount " + quoted(text) + " is not SOURCE:DESTINATION[:ro]");
    mount.source = text.substr(0, colon);
    std::string_view rest = text.substr(colon + 1);
    const std::size_t option = rest.find(':');
    mount.destination = rest.substr(0, option);
    if (option != std::string_view::npos) {
        const std::string_view access = rest.substr(option + 1);
        if (access != "ro" && access != "rw")
            return fail_usage("--mount " + quoted(text) + ": " + quoted(access) +
                              " is neither ro nor rw");
        mount.access = access == "ro" ? MountAccess::kReadOnly : MountAccess::kReadWrite;
    }
    return mount;
}

}  // namespace bulkhead::runtime
