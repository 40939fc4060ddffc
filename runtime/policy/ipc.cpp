// [ipc]: which environments are named, and for what; and the rows of all that are named.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "runtime/environment_name.h"
#include "runtime/policy/compile.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

class Peers {
public:
    explicit Peers(Compilation& compilation) : compilation_(compilation) {}

    void compile(const PeerKey& list) {
        std::map<std::string, std::uint32_t> seen;
        for (const std::uint32_t number : compilation_.entries(list.key)) {
            const std::string& name = compilation_.statement(number).value;
            if (!runtime::is_environment_name(name)) {
                compilation_.mistake(number, wrong_name(name));
                continue;
            }
            const std::uint32_t before = std::exchange(seen[name], number);
            if (before != 0 && compilation_.source_of(before) == compilation_.source_of(number))
                compilation_.mistake(number,
                                     "\"" + name + "\" stands in this list already, at " +
                                         policy::describe(compilation_.policy.sources,
                                                          compilation_.statement(before).place));
            acts_[name] |= list.act;
        }
    }

    void publish() {
        for (const auto& [name, acts] : acts_)
            peer_row(compilation_.policy.rules, name).acts = acts;
    }

private:
    Compilation& compilation_;
    std::map<std::string, __u32> acts_;
};

}  // namespace

std::string wrong_name(std::string_view name) {
    const std::string text = "\"" + std::string(name) + "\"";
    if (name.find('*') != std::string_view::npos)
        return text + ": there are no patterns: name each environment";
    return text + " is no environment's name: " + std::string(runtime::kNameAdvice);
}

loader::PeerRow& peer_row(loader::Rules& rules, const std::string& name) {
    const auto found = std::find_if(rules.peers.begin(), rules.peers.end(),
                                    [&](const loader::PeerRow& row) { return row.name == name; });
    return found == rules.peers.end() ? rules.peers.emplace_back(loader::PeerRow{.name = name})
                                      : *found;
}

const loader::PeerRow* reached_peer(const loader::Rules& rules, std::string_view name) {
    for (const loader::PeerRow& row : rules.peers) {
        if (row.name == name && row.ports[0].verdict != BH_VERDICT_NONE)
            return &row;
    }
    return nullptr;
}

void drop_reached_peers(loader::Rules& rules) {
    for (loader::PeerRow& row : rules.peers)
        row.ports = {};
    std::erase_if(rules.peers, [](const loader::PeerRow& row) { return row.acts == 0; });
    rules.policy.flags &= static_cast<__u16>(~BH_POLICY_NAMES);
}

void compile_ipc(Compilation& compilation) {
    Peers peers(compilation);
    for (const PeerKey& list : kPeerKeys)
        peers.compile(list);
    peers.publish();
}

std::vector<std::string> peers_of(const Policy& policy) {
    std::vector<std::string> names;
    names.reserve(policy.rules.peers.size());
    for (const loader::PeerRow& row : policy.rules.peers)
        names.push_back(row.name);
    return names;
}

std::uint32_t naming_rule(const Policy& policy, const PeerKey& list, std::string_view name) {
    for (std::size_t i = policy.statements.size(); i > 0; --i) {
        const Statement& statement = policy.statements[i - 1];
        if (statement.key->key == list.key && statement.form == Form::kValue &&
            statement.value == name)
            return static_cast<std::uint32_t>(i);
    }
    return 0;
}

}  // namespace bulkhead::policy
