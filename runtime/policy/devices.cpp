// [files] allow_devices, [kernel] fuse.
#include "runtime/policy/devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runtime/policy/compile.h"

namespace bulkhead::policy {
namespace {

constexpr std::string_view kDirectory = "/dev/";
constexpr std::string_view kFuse = "/dev/fuse";
// In every environment; the same as bh_device_is_harmless().
constexpr std::array<std::string_view, 8> kHarmless = {"null",    "zero", "full", "random",
                                                       "urandom", "tty",  "ptmx", "pts"};

std::string wrong_name(std::string_view path) {
    if (!path.starts_with(kDirectory) || path.size() == kDirectory.size())
        return "a device is named by its node on this machine, such as \"/dev/fuse\"";
    const std::string_view name = path.substr(kDirectory.size());
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view part = name.substr(begin, end - begin);
        if (part.empty() || part == "." || part == "..")
            return "a path has no //, no . and .., and no / at its end";
        begin = end + 1;
    }
    if (std::find(kHarmless.begin(), kHarmless.end(), name.substr(0, name.find('/'))) !=
        kHarmless.end())
        return "every environment has it";
    return "";
}

std::string mistake_in(const std::string& path, const std::string& wrong) {
    return "\"" + path + "\": " + wrong;
}

// As the kernel has it in i_rdev.
__u32 kernel_number(dev_t device) {
    return major(device) << 20 | minor(device);
}

}  // namespace

bool is_device_name(std::string_view path) {
    return wrong_name(path).empty();
}

namespace {

void report_too_many(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kAllowDevices, Form::kList);
    const std::vector<loader::DeviceNode>& devices = compilation.policy.rules.devices;
    const bool with_fuse = compilation.statement(devices.back().rule).key->key == Key::kFuse;
    compilation.mistake(list, std::string("[files] allow_devices") +
                                  (with_fuse ? " with fuse" : "") + " has " +
                                  std::to_string(devices.size()) + " devices, more than " +
                                  std::to_string(BH_MAX_ALLOWED_DEVICES) +
                                  ": what needs as many is better off with allow = [\"devices\"]");
}

void add_devices(Compilation& compilation, std::uint32_t list) {
    std::vector<loader::DeviceNode>& devices = compilation.policy.rules.devices;
    for (const std::uint32_t number : compilation.entries_of_last(Key::kAllowDevices)) {
        const std::string& path = compilation.statement(number).value;
        if (const std::string wrong = wrong_name(path); !wrong.empty())
            compilation.mistake(number, mistake_in(path, wrong));
        else if (std::any_of(devices.begin(), devices.end(),
                             [&](const loader::DeviceNode& one) { return one.path == path; }))
            compilation.mistake(number, "\"" + path + "\" stands in this list already");
        else
            devices.push_back({.path = path, .rule = number});
    }
    if (!devices.empty() && !compilation.refuses(BH_CLASS_DEVICES))
        compilation.mistake(
            list, "[files] allow_devices changes nothing: " +
                      compilation.policy.describe_rule(
                          compilation.policy.rules.policy.rule_of_class[BH_CLASS_DEVICES]) +
                      " allows all devices");
}

// The list and the key may come of two texts: then the later one decides.
void add_fuse(Compilation& compilation, std::uint32_t number) {
    std::vector<loader::DeviceNode>& devices = compilation.policy.rules.devices;
    const auto listed = std::find_if(devices.begin(), devices.end(),
                                     [](const auto& device) { return device.path == kFuse; });
    const bool allow = compilation.statement(number).value == "allow";
    if (listed != devices.end()) {
        const std::string by = compilation.policy.describe_rule(listed->rule);
        if (compilation.source_of(listed->rule) == compilation.source_of(number))
            compilation.mistake(
                number,
                allow ? "[kernel] fuse changes nothing: " + by + " gives it already"
                      : "[kernel] fuse \"refuse\" contradicts " + by + ": leave one of them out");
        else if (!allow && compilation.source_of(listed->rule) < compilation.source_of(number))
            devices.erase(listed);
        return;
    }
    if (!allow)
        return;
    if (!compilation.refuses(BH_CLASS_DEVICES))
        return compilation.mistake(
            number, "[kernel] fuse changes nothing: " +
                        compilation.policy.describe_rule(
                            compilation.policy.rules.policy.rule_of_class[BH_CLASS_DEVICES]) +
                        " allows all devices");
    devices.push_back({.path = std::string(kFuse), .rule = number});
}

}  // namespace

void compile_devices(Compilation& compilation) {
    if (const std::uint32_t list = compilation.last(Key::kAllowDevices, Form::kList); list != 0)
        add_devices(compilation, list);
    if (const std::uint32_t number = compilation.last(Key::kFuse); number != 0)
        add_fuse(compilation, number);
    if (compilation.policy.rules.devices.size() > BH_MAX_ALLOWED_DEVICES)
        report_too_many(compilation);
}

Status find_devices(Policy& policy) {
    bh_policy& row = policy.rules.policy;
    row.device_count = 0;
    for (loader::DeviceNode& device : policy.rules.devices) {
        struct stat info {};
        if (::stat(device.path.c_str(), &info) != 0)
            return fail(Error(errno, policy.describe_rule(device.rule), Fault::kUsage)
                            .advise("the machine has no such device now; load its driver first"));
        if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode))
            return fail(
                Error(0, policy.describe_rule(device.rule) + " is no device", Fault::kUsage));
        device.mode = info.st_mode;
        device.device = info.st_rdev;
        if ((row.learned >> BH_CLASS_DEVICES & 1) != 0)
            continue;
        row.devices[row.device_count++] = {.rdev = kernel_number(info.st_rdev),
                                           .is_block = S_ISBLK(info.st_mode),
                                           .rule = static_cast<__u16>(device.rule)};
    }
    return {};
}

}  // namespace bulkhead::policy
