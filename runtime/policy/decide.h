// What a compiled policy says about one act: the same rows that the kernel programs read, asked in
// user space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loader/rules.h"
#include "runtime/policy/address.h"
#include "runtime/policy/peers.h"
#include "runtime/policy/policy.h"

namespace bulkhead::policy {

struct Decision {
    bool allowed = true;
    std::uint32_t rule = 0;   // 0: no rule says so, the class alone or nothing does
    int class_id = kNoClass;  // that decided; kNoClass: nothing asks about it
};

// A path in the tree of the rules, by what holds there.
class Paths {
public:
    // `rules` outlives it.
    explicit Paths(const loader::Rules& rules);

    struct Found {
        std::uint32_t rights = 0;  // bh_right, with those that no class asks about
        std::uint32_t rule = 0;
    };
    [[nodiscard]] Found at(std::string_view path) const;
    // All paths that are nodes, without the root.
    [[nodiscard]] std::vector<std::string> all() const;

private:
    const loader::Rules& rules_;
    std::unordered_map<std::string, std::uint32_t> nodes_;  // by path, "" is the root
};

// The route that holds for a prefix; nullptr: no address is asked about.
const loader::Route* route_of(const loader::Rules& rules, const Prefix& prefix);

// Likewise where an environment is that no rule names: what shares a network namespace is reached
// at its loopback address at least.
const loader::Route* route_of_unnamed(const loader::Rules& rules);

Decision decide_path(const Policy& policy, bh_right right, std::string_view path);
Decision decide_target(const Policy& policy, const Target& target);
Decision decide_listen(const Policy& policy, const Ports& ports);
Decision decide_device(const Policy& policy, std::string_view path);
// Making and filling cgroups below the environment's.
Decision decide_own_cgroups(const Policy& policy);
// A sysctl, or all that a row with BH_NODE_BENEATH stands for.
Decision decide_sysctl(const Policy& policy, const loader::SysctlRow& wanted);
// Ioctls on devices of a kind, where they may be opened.
Decision decide_ioctl(const Policy& policy, unsigned kind);
Decision decide_capability(const Policy& policy, unsigned capability);
Decision decide_class(const Policy& policy, bh_class class_id);
Decision decide_peer(const Policy& policy, const PeerKey& list, const std::string& name);

// An act as people write it: "open-write /etc/passwd", "connect 10.0.0.1:443/tcp", "connect
// environment:db:5432/tcp", "listen
// tcp/80", "exec /usr/bin/x", "device /dev/fuse", "capability chown", "ipc-signal web",
// "cgroup own", "sysctl net.ipv4.ip_forward", "ioctl terminal", "class bpf". kUsage with the list
// of acts.
Result<Decision> decide_act(const Policy& policy, const std::string& act,
                            const std::string& object);

// The environment whose policy has to allow the act too; "" for none.
std::string peer_of(const Policy& policy, const Decision& decision);

// "refused by p.toml:3:9: [files] read \"/etc\"".
std::string describe(const Policy& policy, const Decision& decision);

}  // namespace bulkhead::policy
