#include "loader/rule_use.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include "loader/map_view.h"
#include "loader/mostly_sorted.h"
#include "loader/pins.h"
#include "loader/rules.h"

namespace bulkhead::loader {
namespace {

using Uses = MapView<bh_rule_key, bh_rule_uses>;

Result<Uses> open_uses() {
    return open_pinned_map<bh_rule_key, bh_rule_uses>("bh_rule_use");
}

}  // namespace

std::vector<__u32> counted_rules(const Rules& rules) {
    if (rules.routes.empty())
        return {};
    std::vector<__u32> counted = {0, rules.policy.rule_of_class[BH_CLASS_EGRESS]};
    for (const RouteRow& row : rules.routes) {
        for (const bh_port_rule& entry : row.route.ports) {
            if (entry.verdict != BH_VERDICT_NONE)
                counted.push_back(entry.rule);
        }
    }
    for (const PeerRow& row : rules.peers) {
        for (const bh_port_rule& entry : row.ports) {
            if (entry.verdict != BH_VERDICT_NONE)
                counted.push_back(entry.rule);
        }
    }
    sort_mostly_sorted(counted, std::less<>());
    counted.erase(std::unique(counted.begin(), counted.end()), counted.end());
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
    std::vector<bh_rule_uses> values;
    for (const __u32 rule : counted) {
        const __u32 row = rule / BH_RULES_IN_ROW;
        if (keys.empty() || keys.back().row != row) {
            if (!values.empty())
                values.back().next = row;
            keys.push_back({label, generation, row});
            values.emplace_back();
        }
        values.back().counted |= 1U << rule % BH_RULES_IN_ROW;
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
    __u32 number = 0;
    do {
        BULKHEAD_TRY_VALUE(row, uses.find({label, generation, number}));
        if (!row)
            return std::vector<RuleUse>{};
        for (__u32 i = 0; i < BH_RULES_IN_ROW; ++i) {
            if ((row->counted >> i & 1) != 0)
                found.push_back({number * BH_RULES_IN_ROW + i, row->of[i]});
        }
        number = row->next;
    } while (number != 0);
    return found;
}

Status drop_rule_uses(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(uses, open_uses());
    std::vector<bh_rule_key> keys;
    __u32 number = 0;
    do {
        BULKHEAD_TRY_VALUE(row, uses.find({label, generation, number}));
        if (!row)
            break;
        keys.push_back({label, generation, number});
        number = row->next;
    } while (number != 0);
    // The first one last: by it the others are found.
    std::reverse(keys.begin(), keys.end());
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
