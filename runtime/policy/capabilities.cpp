// [capabilities]: names to a mask.
#include "runtime/policy/capabilities.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "runtime/policy/compile.h"

namespace bulkhead::policy {
namespace {

// linux/capability.h, in the order of their numbers.
constexpr std::array<std::string_view, 41> kCapabilities = {"chown",
                                                            "dac_override",
                                                            "dac_read_search",
                                                            "fowner",
                                                            "fsetid",
                                                            "kill",
                                                            "setgid",
                                                            "setuid",
                                                            "setpcap",
                                                            "linux_immutable",
                                                            "net_bind_service",
                                                            "net_broadcast",
                                                            "net_admin",
                                                            "net_raw",
                                                            "ipc_lock",
                                                            "ipc_owner",
                                                            "sys_module",
                                                            "sys_rawio",
                                                            "sys_chroot",
                                                            "sys_ptrace",
                                                            "sys_pacct",
                                                            "sys_admin",
                                                            "sys_boot",
                                                            "sys_nice",
                                                            "sys_resource",
                                                            "sys_time",
                                                            "sys_tty_config",
                                                            "mknod",
                                                            "lease",
                                                            "audit_write",
                                                            "audit_control",
                                                            "setfcap",
                                                            "mac_override",
                                                            "mac_admin",
                                                            "syslog",
                                                            "wake_alarm",
                                                            "block_suspend",
                                                            "audit_read",
                                                            "perfmon",
                                                            "bpf",
                                                            "checkpoint_restore"};

std::string normal(std::string_view name) {
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) {
        return static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
    });
    return text.starts_with("cap_") ? text.substr(4) : text;
}

}  // namespace

std::optional<unsigned> capability_number(std::string_view name) {
    const std::string wanted = normal(name);
    for (unsigned i = 0; i < kCapabilities.size(); ++i) {
        if (kCapabilities[i] == wanted)
            return i;
    }
    return std::nullopt;
}

std::string capability_name(unsigned number) {
    return number < kCapabilities.size() ? "cap_" + std::string(kCapabilities[number])
                                         : "capability " + std::to_string(number);
}

void compile_capabilities(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kKeep, Form::kList);
    if (list == 0)
        return;
    std::uint64_t kept = 0;
    for (const std::uint32_t number : compilation.entries_of_last(Key::kKeep)) {
        const std::string& name = compilation.statement(number).value;
        const auto capability = capability_number(name);
        if (!capability)
            compilation.mistake(number, "no capability is named \"" + name + "\"" +
                                            did_you_mean(normal(name), kCapabilities));
        else if ((kept >> *capability & 1) != 0)
            compilation.mistake(number, "\"" + name + "\" stands in this list already");
        else
            kept |= 1ULL << *capability;
    }
    compilation.policy.rules.policy.capabilities = kept;
    compilation.refuse(BH_CLASS_DROPPED_CAPABILITIES, list);
}

}  // namespace bulkhead::policy
