#include "loader/rule_use.h"

#include <cstddef>
#include <set>

#include "loader/map_view.h"
#include "loader/pins.h"
#include "loader/rules.h"

namespace bulkhead::loader {
namespace {

using Uses = MapView<bh_rule_key, bh_rule_use>;

Result<Uses> open_uses() {
    return open_pinned_map<bh_rule_key, bh_rule_use>("bh_rule_use");
}

}  // namespace

std::vector<__u32> counted_rules(const Rules& rules) {
    if (rules.routes.empty())
        return {};
    std::set<__u32> numbers = {0, rules.policy.rule_of_class[BH_CLASS_EGRESS]};
    for (const RouteRow& row : rules.routes) {
        for (const bh_port_rule& entry : row.route.ports) {
            if (entry.verdict != BH_VERDICT_NONE)
                numbers.insert(entry.rule);
        }
    }
    for (const PeerRow& row : rules.peers) {
        for (const bh_port_rule& entry : row.ports) {
            if (entry.verdict != BH_VERDICT_NONE)
                numbers.insert(entry.rule);
        }
    }
    std::vector<__u32> counted(numbers.begin(), numbers.end());
    if (counted.size() > BH_MAX_COUNTED_RULES) {
        counted.resize(BH_MAX_COUNTED_RULES);
        counted.push_back(BH_RULE_OTHERS);
    }
    counted.push_back(BH_RULE_ANSWERS);
    return counted;
}

Status put_rule_uses(bh_label label, __u32 generation, const std::vector<__u32>& counted) {
    if (counted.empty())
        return {};
    std::vector<bh_rule_key> keys;
    std::vector<bh_rule_use> values(counted.size());
    for (std::size_t i = 0; i < counted.size(); ++i) {
        keys.push_back({label, generation, counted[i]});
        values[i].next = i + 1 < counted.size() ? counted[i + 1] : 0;
    }
    BULKHEAD_TRY_VALUE(uses, open_uses());
    std::size_t written = 0;
    auto put = uses.put_all(keys, values, written);
    if (!put) {
        keys.resize(written);
        BULKHEAD_TRY(uses.erase_all(keys));
    }
    return put;
}

Result<std::vector<RuleUse>> read_rule_uses(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(uses, open_uses());
    std::vector<RuleUse> found;
    __u32 rule = 0;
    do {
        BULKHEAD_TRY_VALUE(row, uses.find({label, generation, rule}));
        if (!row)
            return std::vector<RuleUse>{};
        found.push_back({rule, *row});
        rule = row->next;
    } while (rule != 0);
    return found;
}

Status drop_rule_uses(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(found, read_rule_uses(label, generation));
    if (found.empty())
        return {};
    std::vector<bh_rule_key> keys;
    // The first one last: by it the others are found.
    for (auto one = found.rbegin(); one != found.rend(); ++one)
        keys.push_back({label, generation, one->rule});
    BULKHEAD_TRY_VALUE(uses, open_uses());
    return uses.erase_all(keys);
}

Status drop_other_rule_uses(bh_label label, __u32 kept) {
    BULKHEAD_TRY_VALUE(uses, open_uses());
    std::vector<bh_rule_key> keys;
    BULKHEAD_TRY(uses.for_each_key([&](const bh_rule_key& key) {
        if (key.label.slot == label.slot && key.label.serial == label.serial &&
            key.generation != kept)
            keys.push_back(key);
    }));
    return uses.erase_all(keys);
}

}  // namespace bulkhead::loader
