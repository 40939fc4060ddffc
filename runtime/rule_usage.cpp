#include "runtime/rule_usage.h"

#include <optional>
#include <utility>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/rule_use.h"
#include "runtime/format.h"
#include "runtime/life.h"
#include "runtime/policy_record.h"

namespace bulkhead::runtime {
namespace {

std::string describe(std::uint32_t rule, const std::optional<policy::Policy>& policy) {
    if (rule == BH_RULE_ANSWERS)
        return "answers on accepted connections, where no rule allows";
    if (rule == BH_RULE_OTHERS)
        return "all rules after these";
    if (rule == 0)
        return "what no rule says: [network] has no default";
    std::string text = policy ? policy->describe_rule(rule) : "";
    return text.empty() ? formatted("rule {}, whose text is not kept", rule) : text;
}

RuleUsage usage_of(const loader::RuleUse& row, const std::optional<policy::Policy>& policy) {
    const bool is_of_policy = row.rule != BH_RULE_ANSWERS && row.rule != BH_RULE_OTHERS;
    return {.rule = is_of_policy ? row.rule : 0,
            .text = describe(row.rule, policy),
            .sent_bytes = row.use.bytes,
            .sent_packets = row.use.packets,
            .connects = row.use.connects,
            .refused = row.use.refused,
            .audited = row.use.audited,
            .dropped_packets = row.use.dropped};
}

std::uint32_t generation_of(const bh_environment& record) {
    return static_cast<std::uint32_t>(BH_CONTROL_GENERATION(record.control));
}

// The rows of the generation that is published, which another may replace at any moment.
Result<std::vector<loader::RuleUse>> read_rows(const loader::Environments& environments,
                                               bh_label label, std::uint32_t& generation) {
    for (;;) {
        const bh_environment* record = environments.record(label);
        if (record == nullptr)
            return fail(Error(ESTALE, "the environment is gone"));
        generation = generation_of(*record);
        BULKHEAD_TRY_VALUE(rows, loader::read_rule_uses(label, generation));
        record = environments.record(label);
        if (record != nullptr && generation_of(*record) == generation)
            return rows;
    }
}

}  // namespace

Result<NetworkUsage> read_rule_usage(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    NetworkUsage usage;
    BULKHEAD_TRY_VALUE(rows, read_rows(environments, label, usage.generation));
    if (rows.empty())
        return usage;
    BULKHEAD_TRY_VALUE(policy, kept_policy(name, usage.generation));
    for (const loader::RuleUse& row : rows) {
        // Most policies name a default, and then nothing goes by its absence.
        RuleUsage one = usage_of(row, policy);
        const bool is_nothing =
            one.sent_packets + one.connects + one.refused + one.audited + one.dropped_packets == 0;
        if (one.rule != 0 || !is_nothing)
            usage.rules.push_back(std::move(one));
    }
    return usage;
}

Json to_json(const NetworkUsage& usage) {
    Json rules = Json::array();
    for (const RuleUsage& one : usage.rules)
        rules.push_back({{"rule", one.text},
                         {"number", one.rule},
                         {"sent_bytes", one.sent_bytes},
                         {"sent_packets", one.sent_packets},
                         {"connects", one.connects},
                         {"refused", one.refused},
                         {"audited", one.audited},
                         {"dropped_packets", one.dropped_packets}});
    return {{"generation", usage.generation}, {"rules", std::move(rules)}};
}

std::string to_text(const NetworkUsage& usage) {
    if (usage.rules.empty())
        return "the policy has no rules on addresses\n";
    constexpr const char* kLine = "{:>14} {:>10} {:>9} {:>9} {:>9} {:>9}  {}\n";
    std::string text = formatted(kLine, "sent bytes", "packets", "connects", "refused", "audited",
                                 "dropped", "rule");
    for (const RuleUsage& one : usage.rules)
        text += formatted(kLine, one.sent_bytes, one.sent_packets, one.connects, one.refused,
                          one.audited, one.dropped_packets, one.text);
    return text;
}

}  // namespace bulkhead::runtime
