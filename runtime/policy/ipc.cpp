// [ipc]: which environments are named, and for what.
#include <map>
#include <string>
#include <utility>

#include "runtime/environment_name.h"
#include "runtime/policy/compile.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

std::string wrong_name(const std::string& name) {
    if (name.find('*') != std::string::npos)
        return "\"" + name + "\": there are no patterns: name each environment";
    return "\"" + name + "\" is no environment's name: " + std::string(runtime::kNameAdvice);
}

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
            compilation_.policy.rules.peers.push_back({name, acts});
    }

private:
    Compilation& compilation_;
    std::map<std::string, __u32> acts_;
};

}  // namespace

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
