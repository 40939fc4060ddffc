#include "runtime/policy/decide.h"

#include <algorithm>
#include <array>

#include "loader/refusals.h"
#include "runtime/environment_name.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/classes.h"
#include "runtime/policy/ioctls.h"
#include "runtime/policy/sysctls.h"

namespace bulkhead::policy {
namespace {

constexpr std::uint32_t kAccess = BH_RIGHT_READ | BH_RIGHT_WRITE | BH_RIGHT_APPEND;

bool refuses(const loader::Rules& rules, unsigned class_id) {
    return BH_CONTROL_REFUSES(rules.control, class_id) != 0;
}

std::uint32_t rule_of(const Policy& policy, unsigned class_id) {
    return policy.rules.policy.rule_of_class[static_cast<unsigned>(class_id)];
}

Decision of_class(const Policy& policy, bh_class class_id) {
    return {!refuses(policy.rules, class_id), rule_of(policy, class_id), class_id};
}

// The first that fits all ports and protocols that are asked about.
const bh_port_rule* first_fit(const bh_port_rule* rules, std::size_t count, const Ports& ports) {
    for (std::size_t i = 0; i < count && rules[i].verdict != BH_VERDICT_NONE; ++i) {
        if (Ports{rules[i].first, rules[i].last, rules[i].protocol}.overlaps(ports))
            return &rules[i];
    }
    return nullptr;
}

Error usage(const std::string& what) {
    return Error(0, what, Fault::kUsage)
        .advise(
            "acts are open-read, open-write, open-append and exec with a path, connect with "
            "ADDRESS[:PORT][/PROTOCOL] or environment:NAME[:PORT][/PROTOCOL], listen with "
            "[PROTOCOL/]PORT, device with the path of its node, ipc-signal, ipc-connect and "
            "ipc-share-memory with an environment, cgroup with own, sysctl with its name, ioctl "
            "with a kind of device, capability and class with a name");
}

Result<Decision> decide_file(const Policy& policy, bh_right right, const std::string& path) {
    if (!path.starts_with('/'))
        return fail(usage("\"" + path + "\" is no path: it begins with /"));
    return decide_path(policy, right, path);
}

Result<Decision> decide_named_peer(const Policy& policy, const PeerKey& list,
                                   const std::string& name) {
    if (!runtime::is_environment_name(name))
        return fail(Error(0, "\"" + name + "\" is no environment's name", Fault::kUsage)
                        .advise(std::string(runtime::kNameAdvice)));
    return decide_peer(policy, list, name);
}

// One that no list may name is decided by the class alone.
Decision decide_named_sysctl(const Policy& policy, const std::string& name) {
    const ParsedSysctl parsed = parse_sysctl(name);
    return parsed.wrong.empty() ? decide_sysctl(policy, parsed.row)
                                : of_class(policy, BH_CLASS_SYSCTL);
}

Result<Decision> decide_named_kind(const Policy& policy, const std::string& name) {
    const auto kind = find_device_kind(name);
    if (kind)
        return decide_ioctl(policy, *kind);
    std::string known;
    for (unsigned one = 0; one < BH_DEVICE_KIND_COUNT; ++one)
        known += (known.empty() ? "" : ", ") + std::string(device_kind_name(one));
    return fail(Error(0, "\"" + name + "\" is no kind of device", Fault::kUsage)
                    .advise("kinds are " + known));
}

template <typename Value, typename Decide>
Result<Decision> decide_parsed(const Parsed<Value>& parsed, const Decide& decide) {
    if (!parsed.value)
        return fail(usage(parsed.wrong));
    return decide(*parsed.value);
}

}  // namespace

Paths::Paths(const loader::Rules& rules) : rules_(rules) {
    std::vector<std::string> paths(rules.nodes.size());
    for (std::uint32_t node = 0; node < rules.nodes.size(); ++node) {
        if (node != 0)
            paths[node] = paths[rules.nodes[node].parent] + "/" + rules.nodes[node].name;
        nodes_.emplace(paths[node], node);
    }
}

Paths::Found Paths::at(std::string_view path) const {
    const bool asks_paths = refuses(rules_, BH_CLASS_PATHS);
    const bool asks_execution = refuses(rules_, BH_CLASS_EXECUTION);
    if (nodes_.empty() || (!asks_paths && !asks_execution))
        return {kAccess | BH_RIGHT_EXECUTE, 0};
    std::string prefix(path);
    while (!nodes_.contains(prefix))
        prefix.resize(std::max<std::size_t>(prefix.find_last_of('/'), 0));
    const loader::TreeNode& node = rules_.nodes[nodes_.at(prefix)];
    return {node.rights | (asks_paths ? 0 : kAccess), node.rule};
}

std::vector<std::string> Paths::all() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : nodes_) {
        if (node != 0)
            paths.push_back(path);
    }
    return paths;
}

const loader::Route* route_of(const loader::Rules& rules, const Prefix& prefix) {
    if (!refuses(rules, BH_CLASS_EGRESS))
        return nullptr;
    const loader::Route* found = nullptr;
    std::uint32_t longest = 0;
    for (const loader::RouteRow& row : rules.routes) {
        Prefix covering{{}, row.prefix_bits};
        std::copy(std::begin(row.address), std::end(row.address), covering.address.begin());
        if (row.prefix_bits >= longest && covering.covers(prefix)) {
            longest = row.prefix_bits;
            found = &row.route;
        }
    }
    static constexpr loader::Route kNothing{};
    return found != nullptr ? found : &kNothing;
}

Decision decide_path(const Policy& policy, bh_right right, std::string_view path) {
    const Paths::Found found = Paths(policy.rules).at(path);
    const bh_class class_id = right == BH_RIGHT_EXECUTE ? BH_CLASS_EXECUTION : BH_CLASS_PATHS;
    // Without `execute` a program runs where it may be read.
    const bool needs_read = right == BH_RIGHT_EXECUTE && !refuses(policy.rules, BH_CLASS_EXECUTION);
    if (needs_read)
        return {(found.rights & (BH_RIGHT_READ | BH_RIGHT_EXECUTE)) != 0, found.rule,
                refuses(policy.rules, BH_CLASS_PATHS) ? BH_CLASS_PATHS : kNoClass};
    if (!refuses(policy.rules, class_id))
        return {};
    const bool allowed = (found.rights & right) != 0;
    // That no list of programs has the path is said by the list, not by who may read it.
    const Statement* statement = policy.rule(found.rule);
    const bool by_list = right == BH_RIGHT_EXECUTE && !allowed &&
                         (statement == nullptr || statement->key->key != Key::kRefuse);
    return {allowed, by_list ? rule_of(policy, BH_CLASS_EXECUTION) : found.rule, class_id};
}

namespace {

Decision of_entry(const bh_port_rule& entry) {
    return {entry.verdict == BH_VERDICT_ALLOW, entry.rule, BH_CLASS_EGRESS};
}

const Prefix& loopback() {
    static const Prefix kLoopback = parse_target("127.0.0.1").value->prefix;
    return kLoopback;
}

}  // namespace

const loader::Route* route_of_unnamed(const loader::Rules& rules) {
    return route_of(rules, loopback());
}

Decision decide_target(const Policy& policy, const Target& target) {
    if (const loader::PeerRow* peer = reached_peer(policy.rules, target.environment)) {
        if (const auto* entry = first_fit(peer->ports.data(), peer->ports.size(), target.ports))
            return of_entry(*entry);
    }
    const loader::Route* route = target.environment.empty() ? route_of(policy.rules, target.prefix)
                                                            : route_of_unnamed(policy.rules);
    if (route == nullptr)
        return {};
    const bh_port_rule* rule = first_fit(route->ports, BH_MAX_ROUTE_PORTS, target.ports);
    if (rule == nullptr)
        return {false, rule_of(policy, BH_CLASS_EGRESS), BH_CLASS_EGRESS};
    return of_entry(*rule);
}

Decision decide_listen(const Policy& policy, const Ports& ports) {
    if (!refuses(policy.rules, BH_CLASS_LISTEN))
        return {};
    const bh_policy& row = policy.rules.policy;
    const bh_port_rule* rule = first_fit(row.listen, row.listen_count, ports);
    if (rule == nullptr)
        return {false, rule_of(policy, BH_CLASS_LISTEN), BH_CLASS_LISTEN};
    return {true, rule->rule, BH_CLASS_LISTEN};
}

Decision decide_device(const Policy& policy, std::string_view path) {
    const auto& devices = policy.rules.devices;
    const auto found = std::find_if(devices.begin(), devices.end(),
                                    [&](const auto& device) { return device.path == path; });
    return found == devices.end() ? of_class(policy, BH_CLASS_DEVICES)
                                  : Decision{true, found->rule, BH_CLASS_DEVICES};
}

Decision decide_own_cgroups(const Policy& policy) {
    const Decision by_class = of_class(policy, BH_CLASS_CGROUPS);
    if (by_class.allowed || (policy.rules.policy.flags & BH_POLICY_OWN_CGROUPS) == 0)
        return by_class;
    auto rule = static_cast<std::uint32_t>(policy.statements.size());
    while (rule > 0 && policy.statements[rule - 1].key->key != Key::kCgroups)
        --rule;
    return {true, rule, BH_CLASS_CGROUPS};
}

Decision decide_sysctl(const Policy& policy, const loader::SysctlRow& wanted) {
    const Decision by_class = of_class(policy, BH_CLASS_SYSCTL);
    const loader::SysctlRow* row = covering_row(policy.rules.sysctls, wanted);
    return by_class.allowed || row == nullptr ? by_class
                                              : Decision{true, row->rule, BH_CLASS_SYSCTL};
}

Decision decide_ioctl(const Policy& policy, unsigned kind) {
    const bh_policy& row = policy.rules.policy;
    if ((row.flags & BH_POLICY_IOCTLS) == 0 || !refuses(policy.rules, BH_CLASS_DEVICES))
        return {};
    return {(row.ioctls >> kind & 1) != 0, row.ioctl_rule, BH_CLASS_DEVICES};
}

Decision decide_capability(const Policy& policy, unsigned capability) {
    if (!refuses(policy.rules, BH_CLASS_DROPPED_CAPABILITIES))
        return {};
    return {(policy.rules.policy.capabilities >> capability & 1) != 0,
            rule_of(policy, BH_CLASS_DROPPED_CAPABILITIES), BH_CLASS_DROPPED_CAPABILITIES};
}

Decision decide_class(const Policy& policy, bh_class class_id) {
    return of_class(policy, class_id);
}

Decision decide_peer(const Policy& policy, const PeerKey& list, const std::string& name) {
    const Decision by_class = decide_class(policy, list.class_id);
    const std::uint32_t rule = naming_rule(policy, list, name);
    if (by_class.allowed || rule == 0)
        return by_class;
    return {true, rule, list.class_id};
}

Result<Decision> decide_act(const Policy& policy, const std::string& act,
                            const std::string& object) {
    struct FileAct {
        std::string_view name;
        bh_right right;
    };
    static constexpr std::array kFileActs = {
        FileAct{"open-read", BH_RIGHT_READ}, FileAct{"open-write", BH_RIGHT_WRITE},
        FileAct{"open-append", BH_RIGHT_APPEND}, FileAct{"exec", BH_RIGHT_EXECUTE}};
    for (const FileAct& file : kFileActs) {
        if (act == file.name)
            return decide_file(policy, file.right, object);
    }
    for (const PeerKey& list : kPeerKeys) {
        if (act == list.name)
            return decide_named_peer(policy, list, object);
    }
    if (act == "connect")
        return decide_parsed(parse_target(object),
                             [&](const Target& target) { return decide_target(policy, target); });
    if (act == "listen")
        return decide_parsed(parse_listen(object),
                             [&](const Ports& ports) { return decide_listen(policy, ports); });
    if (act == "device")
        return decide_device(policy, object);
    if (act == "cgroup" && object == "own")
        return decide_own_cgroups(policy);
    if (act == "sysctl")
        return decide_named_sysctl(policy, object);
    if (act == "ioctl")
        return decide_named_kind(policy, object);
    if (act == "capability") {
        const auto capability = capability_number(object);
        if (!capability)
            return fail(usage("no capability is named \"" + object + "\""));
        return decide_capability(policy, *capability);
    }
    if (act == "class") {
        BULKHEAD_TRY_VALUE(class_id, parse_class(object));
        return decide_class(policy, class_id);
    }
    return fail(usage("\"" + act + "\" is no act"));
}

std::string peer_of(const Policy& policy, const Decision& decision) {
    const Statement* statement = policy.rule(decision.rule);
    const bool by_consent =
        decision.allowed && statement != nullptr && statement->key->section == Section::kIpc;
    return by_consent ? statement->value : "";
}

namespace {

bool reaches_by_name(const Policy& policy, const Decision& decision) {
    const Statement* statement = policy.rule(decision.rule);
    if (decision.class_id != BH_CLASS_EGRESS || statement == nullptr ||
        statement->form != Form::kValue)
        return false;
    const Parsed<Target> target = parse_target(statement->value);
    return target.value && !target.value->environment.empty();
}

}  // namespace

std::string describe(const Policy& policy, const Decision& decision) {
    std::string text = decision.allowed ? "allowed" : "refused";
    const std::string rule = policy.describe_rule(decision.rule);
    if (!rule.empty())
        text += " by " + rule;
    else if (decision.allowed)
        text += ": no rule refuses it";
    else
        text += " by class " +
                std::string(loader::class_name(static_cast<unsigned>(decision.class_id)));
    if (const std::string peer = peer_of(policy, decision); !peer.empty())
        text += ", if the policy of " + peer + " names this environment likewise";
    if (reaches_by_name(policy, decision))
        text += ", where both share a network namespace";
    if (!decision.allowed && (policy.rules.policy.learned >> decision.class_id & 1) != 0)
        return "allowed, and learned: " + policy.describe_rule(rule_of(policy, decision.class_id));
    const bool audited =
        !decision.allowed && (BH_CONTROL_MODE(policy.rules.control) == BH_MODE_AUDIT ||
                              (policy.rules.policy.audited >> decision.class_id & 1) != 0);
    return audited ? text + "; only recorded, as the mode is audit" : text;
}

}  // namespace bulkhead::policy
