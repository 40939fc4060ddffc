// Sysctls by name: which belong to a namespace, so that an environment may have its own.
#pragma once

#include <string>
#include <string_view>

#include "loader/rules.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// "net.ipv4.ip_forward", "net.ipv4.*" for all beneath, "net/ipv4/conf/eth0.1/forwarding" as
// sysctl(8) has it.
struct ParsedSysctl {
    loader::SysctlRow row;
    std::string wrong;  // "": nothing is
};
ParsedSysctl parse_sysctl(std::string_view text);

// As a policy writes the names of one.
std::string sysctl_text(const loader::SysctlRow& row);

// As a policy names a file below /proc, "/sys/net/ipv4/ip_forward"; "" for one that it cannot name.
std::string sysctl_of_path(std::string_view path);

// The longest of these rows that has the sysctl, or all sysctls that `wanted` stands for; nullptr:
// none has.
const loader::SysctlRow* covering_row(const std::vector<loader::SysctlRow>& rows,
                                      const loader::SysctlRow& wanted);

}  // namespace bulkhead::policy
