#include "runtime/refusal_report.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "runtime/consent.h"
#include "runtime/policy_record.h"
#include "runtime/suggest.h"

namespace bulkhead::runtime {
namespace {

// That no list of programs has a path is said by the list, not by the rule on who may read it.
std::uint32_t deciding_rule(const policy::Policy& policy, const bh_refusal& row) {
    const policy::Statement* statement = policy.rule(row.rule);
    const bool by_list = row.class_id == BH_CLASS_EXECUTION &&
                         (statement == nullptr || statement->key->key != policy::Key::kRefuse);
    if (row.rule != 0 && !by_list)
        return row.rule;
    return policy.rules.policy.rule_of_class[row.class_id];
}

}  // namespace

const policy::Policy* RefusalReport::policy_of(std::uint32_t generation) {
    const auto known = policies_.find(generation);
    if (known != policies_.end())
        return known->second ? &*known->second : nullptr;
    auto kept = kept_policy(name_, generation);
    auto& place = policies_[generation];
    // A text that cannot be read leaves the refusal without its rule, not without a word.
    if (kept && *kept)
        place = std::move(**kept);
    return place ? &*place : nullptr;
}

ExplainedRefusal RefusalReport::explain(const bh_refusal& row,
                                        const loader::Environments& environments) {
    ExplainedRefusal explained;
    explained.row = row;
    if (row.uid >= uid_base_ && row.uid - uid_base_ < uid_count_)
        explained.uid_inside = row.uid - uid_base_;
    const policy::Policy* policy = policy_of(row.generation);
    explained.to_allow = missing_consent(row, name_, policy, environments);
    if (explained.to_allow.empty())
        explained.to_allow = suggest(row);
    if (policy == nullptr || row.class_id >= BH_CLASS_COUNT)
        return explained;
    const std::uint32_t number = deciding_rule(*policy, row);
    if (const policy::Statement* statement = policy->rule(number)) {
        explained.rule = *statement;
        explained.rule_file = policy->sources[statement->place.source].name;
        explained.rule_text = policy->describe_rule(number);
    }
    return explained;
}

std::vector<RefusalGroup> RefusalReport::group(const std::vector<bh_refusal>& rows,
                                               const loader::Environments& environments) {
    std::vector<RefusalGroup> groups;
    const auto identity = [](const ExplainedRefusal& one) {
        return std::tuple(one.row.class_id, one.row.hook, one.row.flags, one.rule_text);
    };
    for (const bh_refusal& row : rows) {
        ExplainedRefusal explained = explain(row, environments);
        const auto same = std::find_if(groups.begin(), groups.end(), [&](const RefusalGroup& one) {
            return identity(one.last) == identity(explained);
        });
        RefusalGroup group{std::move(explained), 1, row.time_ns};
        if (same != groups.end()) {
            group.count += same->count;
            group.first_ns = same->first_ns;
            groups.erase(same);
        }
        groups.push_back(std::move(group));
    }
    return groups;
}

Result<std::uint64_t> parse_duration(const std::string& text) {
    constexpr std::uint64_t kMost = 1'000'000;
    constexpr std::uint64_t kSecond = 1'000'000'000;
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string unit(end, text.data() + text.size());
    if (error == std::errc() && count <= kMost) {
        if (unit.empty() || unit == "s")
            return count * kSecond;
        if (unit == "m")
            return count * 60 * kSecond;
        if (unit == "h")
            return count * 3600 * kSecond;
        if (unit == "d")
            return count * 86400 * kSecond;
    }
    return fail(Error(0, "\"" + text + "\" is no duration", Fault::kUsage)
                    .advise("such as 30s, 10m, 2h or 1d"));
}

}  // namespace bulkhead::runtime
