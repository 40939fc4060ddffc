#include "runtime/policy/diff.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "loader/refusals.h"
#include "runtime/policy/address.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/classes.h"
#include "runtime/policy/decide.h"
#include "runtime/policy/ioctls.h"
#include "runtime/policy/peers.h"
#include "runtime/policy/sysctls.h"

namespace bulkhead::policy {
namespace {

struct RightName {
    std::uint32_t right;
    const char* act;
};
constexpr RightName kRights[] = {{BH_RIGHT_READ, "open-read"},
                                 {BH_RIGHT_WRITE, "open-write"},
                                 {BH_RIGHT_APPEND, "open-append"},
                                 {BH_RIGHT_EXECUTE, "exec"}};

// Of the classes that have rules the rules are compared instead.
constexpr std::uint64_t kByRule = 1ULL << BH_CLASS_PATHS | 1ULL << BH_CLASS_EXECUTION |
                                  1ULL << BH_CLASS_EGRESS | 1ULL << BH_CLASS_LISTEN |
                                  1ULL << BH_CLASS_DROPPED_CAPABILITIES;

class Comparison {
public:
    Comparison(const Policy& first, const Policy& second) : first_(first), second_(second) {}

    Differences compare() {
        compare_modes();
        compare_classes();
        compare_paths();
        compare_devices();
        add("cgroup own", decide_own_cgroups(first_), decide_own_cgroups(second_));
        compare_sysctls();
        compare_ioctls();
        compare_revoking();
        compare_listen();
        compare_addresses();
        compare_names();
        compare_capabilities();
        compare_peers();
        return std::move(differences_);
    }

private:
    void add(std::string act, const Decision& first, const Decision& second) {
        if (first.allowed == second.allowed)
            return;
        auto& list = first.allowed ? differences_.first_only : differences_.second_only;
        list.push_back(
            {std::move(act), first_.describe_rule(first.rule), second_.describe_rule(second.rule)});
    }

    void compare_modes() {
        const std::string first = mode_name(first_.rules.control);
        const std::string second = mode_name(second_.rules.control);
        if (first != second)
            differences_.modes.push_back("mode: " + first + ", " + second);
        // A policy that learns as a whole has said so.
        const bool whole = first == "learn" || second == "learn";
        for (unsigned class_id = 0; class_id < BH_CLASS_COUNT && !whole; ++class_id) {
            const std::string one = mode_of(first_, class_id), other = mode_of(second_, class_id);
            if (one == other)
                continue;
            std::string& line = differences_.modes.emplace_back("class ");
            line.append(loader::class_name(class_id)).append(": ");
            line.append(one).append(", ").append(other);
        }
    }

    // By its section.
    static std::string mode_of(const Policy& policy, unsigned class_id) {
        if ((policy.rules.policy.learned >> class_id & 1) != 0)
            return "learn";
        return (policy.rules.policy.audited >> class_id & 1) != 0 ? "audit" : "enforce";
    }

    void compare_classes() {
        for (unsigned i = 0; i < BH_CLASS_COUNT; ++i) {
            if ((kByRule >> i & 1) != 0)
                continue;
            const auto class_id = static_cast<bh_class>(i);
            add(std::string("class ") + loader::class_name(i), decide_class(first_, class_id),
                decide_class(second_, class_id));
        }
    }

    // A path is named when it differs in another way than the directory above it.
    void compare_paths() {
        const Paths first(first_.rules), second(second_.rules);
        std::set<std::string> paths = {""};
        for (const Paths* side : {&first, &second}) {
            for (std::string& path : side->all())
                paths.insert(std::move(path));
        }
        for (const std::string& path : paths) {
            const Paths::Found one = first.at(path), other = second.at(path);
            const std::string above = path.substr(0, std::min(path.find_last_of('/'), path.size()));
            for (const RightName& right : kRights) {
                const int change = change_of(one, other, right.right);
                const int before =
                    path.empty() ? 0 : change_of(first.at(above), second.at(above), right.right);
                if (change == before)
                    continue;
                const std::string name = path.empty() ? "/" : path;
                if (change != 0)
                    add(std::string(right.act) + " " + name,
                        {(one.rights & right.right) != 0, one.rule},
                        {(other.rights & right.right) != 0, other.rule});
                else
                    except(before, std::string(right.act) + " " + name, one.rule, other.rule);
            }
        }
    }

    static int change_of(const Paths::Found& one, const Paths::Found& other, std::uint32_t right) {
        return ((other.rights & right) != 0 ? 1 : 0) - ((one.rights & right) != 0 ? 1 : 0);
    }

    void except(int before, const std::string& act, std::uint32_t first, std::uint32_t second) {
        auto& list = before > 0 ? differences_.second_only : differences_.first_only;
        list.push_back(
            {"but not " + act, first_.describe_rule(first), second_.describe_rule(second)});
    }

    // Ranges of ports within which neither side's rules change, for each protocol they name.
    template <typename Rows>
    static std::vector<Ports> pieces(const Rows& rows) {
        std::set<std::uint8_t> protocols = {0};
        std::set<std::uint32_t> begins = {0};
        for (const bh_port_rule& row : rows) {
            protocols.insert(row.protocol);
            begins.insert(row.first);
            begins.insert(row.last + 1U);
        }
        begins.insert(65536);
        std::vector<Ports> found;
        for (const std::uint8_t protocol : protocols) {
            for (auto begin = begins.begin(); std::next(begin) != begins.end(); ++begin)
                found.push_back({static_cast<std::uint16_t>(*begin),
                                 static_cast<std::uint16_t>(*std::next(begin) - 1), protocol});
        }
        return found;
    }

    void compare_devices() {
        std::set<std::string> paths;
        for (const Policy* side : {&first_, &second_})
            for (const loader::DeviceNode& device : side->rules.devices)
                paths.insert(device.path);
        for (const std::string& path : paths)
            add("device " + path, decide_device(first_, path), decide_device(second_, path));
    }

    void compare_sysctls() {
        std::map<std::string, const loader::SysctlRow*> rows;
        for (const Policy* side : {&first_, &second_})
            for (const loader::SysctlRow& row : side->rules.sysctls)
                rows.emplace(sysctl_text(row), &row);
        for (const auto& [name, row] : rows)
            add("sysctl " + name, decide_sysctl(first_, *row), decide_sysctl(second_, *row));
    }

    void compare_ioctls() {
        for (unsigned kind = 0; kind < BH_DEVICE_KIND_COUNT; ++kind)
            add("ioctl " + std::string(device_kind_name(kind)), decide_ioctl(first_, kind),
                decide_ioctl(second_, kind));
    }

    static Decision decide_use_of_open_files(const Policy& policy) {
        return {(policy.rules.policy.flags & BH_POLICY_REVOKES) == 0, 0, BH_CLASS_PATHS};
    }

    void compare_revoking() {
        add("use of files opened under an earlier policy", decide_use_of_open_files(first_),
            decide_use_of_open_files(second_));
    }

    void compare_listen() {
        std::vector<bh_port_rule> rows;
        for (const Policy* side : {&first_, &second_}) {
            const bh_policy& row = side->rules.policy;
            rows.insert(rows.end(), row.listen, row.listen + row.listen_count);
        }
        std::vector<Piece> changed;
        for (const Ports& ports : pieces(rows))
            changed.push_back({ports, decide_of_protocol_listen(first_, ports),
                               decide_of_protocol_listen(second_, ports)});
        for (const Piece& piece : joined(changed))
            add("listen " + listen_text(piece.ports), piece.first, piece.second);
    }

    struct Piece {
        Ports ports;
        Decision first, second;
        [[nodiscard]] int change() const {
            return (second.allowed ? 1 : 0) - (first.allowed ? 1 : 0);
        }
    };

    // Protocol 0 stands for those that no rule names: rules of a protocol say nothing about it.
    static const bh_port_rule* fit(const bh_port_rule* rows, std::size_t count,
                                   const Ports& ports) {
        for (std::size_t i = 0; i < count && rows[i].verdict != BH_VERDICT_NONE; ++i) {
            const bool protocol = rows[i].protocol == 0 || rows[i].protocol == ports.protocol;
            if (protocol && rows[i].first <= ports.first && ports.last <= rows[i].last)
                return &rows[i];
        }
        return nullptr;
    }

    static Decision decide_of_protocol_listen(const Policy& policy, const Ports& ports) {
        const Decision any = decide_listen(policy, ports);
        if (any.class_id == kNoClass)
            return any;
        const bh_policy& row = policy.rules.policy;
        const bh_port_rule* rule = fit(row.listen, row.listen_count, ports);
        if (rule == nullptr)
            return {false, row.rule_of_class[BH_CLASS_LISTEN], BH_CLASS_LISTEN};
        return {true, rule->rule, BH_CLASS_LISTEN};
    }

    static Decision decide_of_protocol(const Policy& policy, const loader::Route* route,
                                       const Ports& ports) {
        if (route == nullptr)
            return {};
        const bh_port_rule* rule = fit(route->ports, BH_MAX_ROUTE_PORTS, ports);
        if (rule == nullptr)
            return {false, policy.rules.policy.rule_of_class[BH_CLASS_EGRESS], BH_CLASS_EGRESS};
        return {rule->verdict == BH_VERDICT_ALLOW, rule->rule, BH_CLASS_EGRESS};
    }

    // Neighbours of one protocol that changed alike, as one; a protocol that changed as those that
    // are not named did is not named either.
    static std::vector<Piece> joined(const std::vector<Piece>& pieces) {
        std::vector<Piece> result, unnamed;
        for (const Piece& piece : pieces) {
            if (piece.ports.protocol == 0)
                unnamed.push_back(piece);
        }
        for (const Piece& piece : pieces) {
            const bool as_unnamed =
                piece.ports.protocol != 0 &&
                std::any_of(unnamed.begin(), unnamed.end(), [&](const Piece& other) {
                    return other.ports.first == piece.ports.first &&
                           other.change() == piece.change();
                });
            if (as_unnamed || piece.change() == 0)
                continue;
            const bool neighbour = !result.empty() && result.back().change() == piece.change() &&
                                   result.back().ports.protocol == piece.ports.protocol &&
                                   result.back().ports.last + 1 == piece.ports.first;
            if (neighbour)
                result.back().ports.last = piece.ports.last;
            else
                result.push_back(piece);
        }
        return result;
    }

    [[nodiscard]] std::vector<Piece> changes_at(const Prefix& prefix) const {
        const loader::Route* one = route_of(first_.rules, prefix);
        const loader::Route* other = route_of(second_.rules, prefix);
        std::vector<bh_port_rule> rows;
        for (const loader::Route* route : {one, other}) {
            if (route != nullptr)
                std::copy_if(
                    std::begin(route->ports), std::end(route->ports), std::back_inserter(rows),
                    [](const bh_port_rule& row) { return row.verdict != BH_VERDICT_NONE; });
        }
        std::vector<Piece> changed;
        for (const Ports& ports : pieces(rows))
            changed.push_back({ports, decide_of_protocol(first_, one, ports),
                               decide_of_protocol(second_, other, ports)});
        return joined(changed);
    }

    static std::vector<std::pair<Ports, int>> shape(const std::vector<Piece>& pieces) {
        std::vector<std::pair<Ports, int>> result;
        result.reserve(pieces.size());
        for (const Piece& piece : pieces)
            result.emplace_back(piece.ports, piece.change());
        return result;
    }

    void compare_addresses() {
        std::set<Prefix> prefixes;
        for (const Policy* side : {&first_, &second_}) {
            for (const loader::RouteRow& row : side->rules.routes) {
                Prefix prefix{{}, row.prefix_bits};
                std::copy(std::begin(row.address), std::end(row.address), prefix.address.begin());
                prefixes.insert(prefix);
            }
        }
        std::map<Prefix, std::vector<Piece>> seen;
        for (const Prefix& prefix : prefixes) {
            auto changed = changes_at(prefix);
            const auto above = std::find_if(seen.rbegin(), seen.rend(), [&](const auto& other) {
                return other.first.covers(prefix);
            });
            if (above == seen.rend() || shape(above->second) != shape(changed))
                say_addresses(prefix, changed, above == seen.rend() ? nullptr : &above->second);
            seen.emplace(prefix, std::move(changed));
        }
    }

    void say_addresses(const Prefix& prefix, const std::vector<Piece>& changed,
                       const std::vector<Piece>* above) {
        const std::string name = prefix.bits == 0 ? "any address" : to_text(prefix);
        const auto has = [](const std::vector<Piece>& pieces, const Piece& wanted) {
            return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
                return piece.ports == wanted.ports && piece.change() == wanted.change();
            });
        };
        for (const Piece& piece : changed) {
            if (above == nullptr || !has(*above, piece))
                add("connect " + name + ports_suffix(piece.ports), piece.first, piece.second);
        }
        for (std::size_t i = 0; above != nullptr && i < above->size(); ++i) {
            const Piece& piece = (*above)[i];
            if (!has(changed, piece))
                except(piece.change(), "connect " + name + ports_suffix(piece.ports), 0, 0);
        }
    }

    static Decision decide_of_name(const Policy& policy, const std::string& name,
                                   const Ports& ports) {
        const loader::PeerRow* peer = reached_peer(policy.rules, name);
        const bh_port_rule* rule =
            peer == nullptr ? nullptr : fit(peer->ports.data(), peer->ports.size(), ports);
        if (rule != nullptr)
            return {rule->verdict == BH_VERDICT_ALLOW, rule->rule, BH_CLASS_EGRESS};
        return decide_of_protocol(policy, route_of_unnamed(policy.rules), ports);
    }

    void compare_name(const std::string& name) {
        std::vector<bh_port_rule> rows;
        for (const Policy* side : {&first_, &second_}) {
            if (const loader::PeerRow* peer = reached_peer(side->rules, name))
                rows.insert(rows.end(), peer->ports.begin(), peer->ports.end());
            if (const loader::Route* route = route_of_unnamed(side->rules))
                rows.insert(rows.end(), std::begin(route->ports), std::end(route->ports));
        }
        std::erase_if(rows, [](const bh_port_rule& row) { return row.verdict == BH_VERDICT_NONE; });
        std::vector<Piece> changed;
        for (const Ports& ports : pieces(rows))
            changed.push_back(
                {ports, decide_of_name(first_, name, ports), decide_of_name(second_, name, ports)});
        for (const Piece& piece : joined(changed))
            add("connect " + environment_text(name) + ports_suffix(piece.ports), piece.first,
                piece.second);
    }

    void compare_names() {
        std::set<std::string> names;
        for (const Policy* side : {&first_, &second_}) {
            for (const loader::PeerRow& row : side->rules.peers) {
                if (reached_peer(side->rules, row.name) != nullptr)
                    names.insert(row.name);
            }
        }
        for (const std::string& name : names)
            compare_name(name);
    }

    void compare_capabilities() {
        constexpr unsigned kLast = 40;  // CAP_CHECKPOINT_RESTORE
        for (unsigned capability = 0; capability <= kLast; ++capability)
            add("capability " + capability_name(capability), decide_capability(first_, capability),
                decide_capability(second_, capability));
    }

    // Also where the class is allowed: the other environment's acts ask for the name.
    void compare_peers() {
        std::set<std::string> names;
        for (const Policy* side : {&first_, &second_}) {
            for (std::string& name : peers_of(*side))
                names.insert(std::move(name));
        }
        for (const std::string& name : names) {
            for (const PeerKey& list : kPeerKeys) {
                const std::uint32_t first = naming_rule(first_, list, name);
                const std::uint32_t second = naming_rule(second_, list, name);
                add(std::string(list.name) + " " + name, {first != 0, first},
                    {second != 0, second});
            }
        }
    }

    const Policy& first_;
    const Policy& second_;
    Differences differences_;
};

}  // namespace

Differences compare(const Policy& first, const Policy& second) {
    return Comparison(first, second).compare();
}

}  // namespace bulkhead::policy
