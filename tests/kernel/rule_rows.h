// Rows of rules as a published policy would leave them.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

// What holds for `prefix` ("127.0.0.1/32", "fd00::/8") where no longer one does.
void put_route(const BareEnvironment& environment, __u32 generation, const std::string& prefix,
               std::initializer_list<bh_port_rule> ports);

// The rest of a policy's rules.
void put_policy(const BareEnvironment& environment, __u32 generation, const bh_policy& policy);

// A path within one super block ("data/open"; "": its root) and what holds there and beneath.
struct TreeRule {
    std::string path;
    __u32 rights;  // bh_right
    __u32 rule = 0;
    __u32 flags = 0;  // of bh_node_flags, beside BH_NODE_NAMED
};

inline constexpr __u32 kReadOnly = BH_RIGHT_READ;
inline constexpr __u32 kReadWrite = BH_RIGHT_READ | BH_RIGHT_WRITE | BH_RIGHT_APPEND;
inline constexpr __u32 kExecute = BH_RIGHT_EXECUTE;
inline constexpr __u32 kAllRights = kReadWrite | kExecute;

// The trees of the super block `dev` and, with all rights, of all others. Of the rules those that
// lead to others come first.
void put_trees(const BareEnvironment& environment, __u32 generation, __u32 dev,
               const std::vector<TreeRule>& rules);

// The generation that decides now; each change of the control word begins the next one.
__u32 generation_of(BareEnvironment& environment);

// Rows of rules that carry the environment's label, of its generation and of others.
struct RuleRows {
    std::size_t current;
    std::size_t others;
};
RuleRows rule_rows_of(BareEnvironment& environment);
// Of whomever.
std::size_t all_rule_rows();

// Fills a map with rows of nobody; they are gone with the object.
enum class FullMap { kPolicies, kRoutes, kNodes };
class Filling {
public:
    explicit Filling(FullMap map);
    Filling(const Filling&) = delete;
    Filling& operator=(const Filling&) = delete;
    ~Filling();

private:
    std::vector<bh_policy_key> policies_;
    std::vector<bh_route_key> routes_;
    std::vector<bh_node_key> nodes_;
};

// All ports, of one protocol or (0) of any.
bh_port_rule all_ports(bh_verdict verdict, __u16 rule = 0, __u8 protocol = 0);
bh_port_rule one_port(bh_verdict verdict, __u16 port, __u8 protocol, __u16 rule = 0);

}  // namespace bulkhead::tests
