#include "runtime/suggest.h"

#include <linux/capability.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "loader/beancounters.h"
#include "loader/budgets.h"
#include "loader/refusals.h"
#include "runtime/explain.h"
#include "runtime/policy/address.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/ioctls.h"
#include "runtime/policy/schema.h"
#include "runtime/policy/sysctls.h"

namespace bulkhead::runtime {
namespace {

std::string list_of(const std::string& key, const std::string& entry) {
    return entry.empty() ? "" : key + " = [\"" + entry + "\"]";
}

// The path, if the kernel could record it from its root on.
std::string whole_path(const bh_refusal& refusal) {
    std::string path = refused_path(refusal);
    return path.starts_with('/') ? path : "";
}

std::string directory_of(const std::string& path) {
    const std::size_t end = path.find_last_of('/');
    return end == 0 || end == std::string::npos ? path : path.substr(0, end);
}

std::string suggest_path(const bh_refusal& refusal) {
    const auto wanted = refusal.object[3];
    const char* key = (wanted & BH_RIGHT_WRITE) != 0    ? "[files] write"
                      : (wanted & BH_RIGHT_APPEND) != 0 ? "[files] append"
                                                        : "[files] read";
    return list_of(key, whole_path(refusal));
}

std::uint8_t protocol_of(const bh_refusal& refusal) {
    constexpr std::uint64_t kTcp = 6, kUdp = 17, kStream = 1, kDatagram = 2, kMptcp = 262;
    const std::uint64_t type = refusal.object[1], protocol = refusal.object[2];
    if (protocol == kMptcp || (protocol == 0 && type == kStream))
        return kTcp;
    if (protocol == 0 && type == kDatagram)
        return kUdp;
    return static_cast<std::uint8_t>(protocol);
}

policy::Ports port_of(const bh_refusal& refusal) {
    const auto port = static_cast<std::uint16_t>(refusal.object[3]);
    const std::uint8_t protocol = protocol_of(refusal);
    return port == 0 ? policy::Ports{0, 65535, protocol} : policy::Ports{port, port, protocol};
}

std::string suggest_address(const bh_refusal& refusal) {
    policy::Prefix prefix{{}, 128};
    std::memcpy(prefix.address.data(), refusal.text, prefix.address.size());
    const std::string suffix = policy::ports_suffix(port_of(refusal));
    if (const std::string name = reached_environment(refusal); !name.empty())
        return list_of("[network] allow", policy::environment_text(name) + suffix);
    std::string address = policy::to_text(prefix);
    if (suffix.starts_with(':') && !prefix.is_ipv4())
        address = "[" + address + "]";
    return list_of("[network] allow", address + suffix);
}

std::string suggest_class(unsigned class_id) {
    for (const policy::KeyInfo& info : policy::keys()) {
        if (info.class_id == static_cast<int>(class_id))
            return policy::key_title(info) + " = \"allow\"";
    }
    return list_of("allow", loader::class_name(class_id));
}

// A name that fills its part of the text may have gone on.
std::string suggest_sysctl(const bh_refusal& refusal) {
    bool is_whole = true;
    for (const auto& part : refusal.text)
        is_whole = is_whole && ::strnlen(part, BH_TEXT_BYTES) < BH_TEXT_BYTES - 1;
    const bool is_file = refusal.hook == BH_HOOK_file_open || refusal.hook == BH_HOOK_path_truncate;
    const std::string path = whole_path(refusal) + (is_file ? "" : "/*");
    const std::string name = is_whole ? policy::sysctl_of_path(path) : "";
    return name.empty() ? suggest_class(BH_CLASS_SYSCTL) : list_of("[kernel] sysctl", name);
}

// A node that the machine has too; one that was made elsewhere is told by its class.
std::string suggest_device(const bh_refusal& refusal) {
    if (refusal.object_kind == BH_OBJECT_IOCTL)
        return list_of(
            "[kernel] ioctl",
            std::string(policy::device_kind_name(static_cast<unsigned>(refusal.object[3]))));
    const std::string path = whole_path(refusal);
    if (path == "/dev/fuse" || path == "/fuse")
        return "[kernel] fuse = \"allow\"";
    const bool is_node = refusal.hook == BH_HOOK_file_open && path.starts_with("/dev/");
    return is_node ? list_of("[files] allow_devices", path) : suggest_class(BH_CLASS_DEVICES);
}

// Inside, the capability for mounting goes with the family.
std::string suggest_capability(const bh_refusal& refusal) {
    const bool mounts = refusal.object[0] == CAP_SYS_ADMIN && refusal.object[1] != 0;
    return suggest_class(mounts ? BH_CLASS_MOUNTS : BH_CLASS_CAPABILITIES);
}

}  // namespace

std::string suggest(const bh_refusal& refusal) {
    switch (refusal.class_id) {
        case BH_CLASS_IDENTITY:
        case BH_CLASS_SELF:
            return "";
        case BH_CLASS_PATHS:
            return suggest_path(refusal);
        case BH_CLASS_DEVICES:
            return suggest_device(refusal);
        case BH_CLASS_SYSCTL:
            return suggest_sysctl(refusal);
        case BH_CLASS_CGROUPS:
            return "[kernel] cgroups = \"own\"";
        case BH_CLASS_CAPABILITIES:
            return suggest_capability(refusal);
        case BH_CLASS_EXECUTION:
            return list_of("[files] execute", directory_of(whole_path(refusal)));
        case BH_CLASS_DRIFT:
            return "[files] drift = \"allow\"";
        case BH_CLASS_EGRESS:
            return suggest_address(refusal);
        case BH_CLASS_LISTEN:
            return list_of("[network] listen", policy::listen_text(port_of(refusal)));
        case BH_CLASS_FAMILIES:
            return list_of("[network] families", "other");
        case BH_CLASS_RAW_SOCKETS:
            return list_of("[network] families", "raw");
        case BH_CLASS_DROPPED_CAPABILITIES:
            return list_of("[capabilities] keep",
                           policy::capability_name(static_cast<unsigned>(refusal.object[0])));
        case BH_CLASS_BEANCOUNTERS:
            if (refusal.object_kind == BH_OBJECT_BUDGET)
                return std::string("bulkhead set NAME --budget ") +
                       loader::budget_name(static_cast<unsigned>(refusal.object[0])) +
                       "=AMOUNT/PERIOD";
            return std::string("bulkhead set NAME --beancounter ") +
                   loader::beancounter_name(static_cast<unsigned>(refusal.object[0])) +
                   "=BARRIER:LIMIT";
        default:
            return suggest_class(refusal.class_id);
    }
}

}  // namespace bulkhead::runtime
