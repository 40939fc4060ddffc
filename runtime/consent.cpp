#include "runtime/consent.h"

#include "runtime/policy/peers.h"
#include "runtime/policy/toml_text.h"
#include "runtime/policy_record.h"

namespace bulkhead::runtime {
namespace {

// Other hooks of these classes refuse what no consent allows.
const policy::PeerKey* list_of(const bh_refusal& refusal) {
    switch (refusal.hook) {
        case BH_HOOK_task_kill:
        case BH_HOOK_unix_stream_connect:
        case BH_HOOK_unix_may_send:
        case BH_HOOK_ipc_permission:
            break;
        default:
            return nullptr;
    }
    for (const policy::PeerKey& list : policy::kPeerKeys) {
        if (list.class_id == refusal.class_id)
            return &list;
    }
    return nullptr;
}

std::string key_of(const policy::PeerKey& list) {
    for (const policy::KeyInfo& info : policy::keys()) {
        if (info.key == list.key)
            return policy::key_title(info);
    }
    return "";
}

std::string line_in(const policy::PeerKey& list, const std::string& named,
                    const std::string& whose) {
    return key_of(list) + " = [" + policy::quoted(named) + "] in the policy of " + whose;
}

bool other_names(const policy::PeerKey& list, const bh_environment& other,
                 const std::string& name) {
    const auto generation = static_cast<std::uint32_t>(BH_CONTROL_GENERATION(other.control));
    const auto kept = kept_policy(other.name, generation);
    return kept && *kept && policy::naming_rule(**kept, list, name) != 0;
}

}  // namespace

std::string missing_consent(const bh_refusal& refusal, const std::string& name,
                            const policy::Policy* policy,
                            const loader::Environments& environments) {
    const policy::PeerKey* list = list_of(refusal);
    if (list == nullptr)
        return "";
    const bh_label label{static_cast<__u32>(refusal.object[2]),
                         static_cast<__u32>(refusal.object[3])};
    const bh_environment* other = environments.record(label);
    if (other == nullptr)
        return "";
    const std::string peer = other->name;
    const bool own = policy != nullptr && policy::naming_rule(*policy, *list, peer) != 0;
    const bool others = other_names(*list, *other, name);
    if (own && others)
        return "both policies say so by now";
    if (own)
        return line_in(*list, name, peer);
    if (others)
        return line_in(*list, peer, name);
    return line_in(*list, peer, name) + ", and " + line_in(*list, name, peer);
}

}  // namespace bulkhead::runtime
