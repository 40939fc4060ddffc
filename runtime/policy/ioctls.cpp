// [kernel] ioctl.
#include "runtime/policy/ioctls.h"

#include <array>

#include "runtime/policy/compile.h"

namespace bulkhead::policy {
namespace {

constexpr std::array<std::string_view, BH_DEVICE_KIND_COUNT> kNames = {
#define BH_DEVICE_KIND_NAME(id, name) #name,
    BH_DEVICE_KINDS(BH_DEVICE_KIND_NAME)
#undef BH_DEVICE_KIND_NAME
};

}  // namespace

std::string_view device_kind_name(unsigned kind) {
    return kind < kNames.size() ? kNames[kind] : "?";
}

std::optional<bh_device_kind> find_device_kind(std::string_view name) {
    for (unsigned kind = 0; kind < kNames.size(); ++kind) {
        if (kNames[kind] == name)
            return static_cast<bh_device_kind>(kind);
    }
    return std::nullopt;
}

void compile_ioctls(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kIoctl, Form::kList);
    if (list == 0)
        return;
    bh_policy& row = compilation.policy.rules.policy;
    if (!compilation.refuses(BH_CLASS_DEVICES))
        return compilation.mistake(
            list, "[kernel] ioctl changes nothing: " +
                      compilation.policy.describe_rule(row.rule_of_class[BH_CLASS_DEVICES]) +
                      " allows all that is done with devices");
    for (const std::uint32_t number : compilation.entries_of_last(Key::kIoctl)) {
        const std::string& name = compilation.statement(number).value;
        const __u32 kind = 1U << *find_device_kind(name);
        if ((row.ioctls & kind) != 0)
            compilation.mistake(number, "\"" + name + "\" stands in this list already");
        row.ioctls |= kind;
    }
    row.ioctl_rule = list;
    row.flags |= BH_POLICY_IOCTLS;
}

}  // namespace bulkhead::policy
