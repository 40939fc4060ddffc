// The rows of what went by each rule of [network].
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct Rules;

struct RuleUse {
    __u32 rule = 0;  // its number in the policy, 0, or BH_RULE_OTHERS or BH_RULE_ANSWERS
    bh_rule_use use{};
};

// The numbers that have a row when `rules` are published, as they are linked: those of the
// addresses, lowest first. Empty: there are no rules on addresses.
std::vector<__u32> counted_rules(const Rules& rules);

// Rows of zeros, for a generation that is not published yet. After an error none of them is left;
// E2BIG: the map is full.
Status put_rule_uses(bh_label label, __u32 generation, const std::vector<__u32>& counted);

// What was counted by one generation. Empty: it has no rules on addresses, or another one is
// published by now.
Result<std::vector<RuleUse>> read_rule_uses(bh_label label, __u32 generation);

// Takes away the rows of a generation that were written entire. Without rows: nothing.
Status drop_rule_uses(bh_label label, __u32 generation);

// Takes away the rows of all generations but `kept`, whatever of them is there.
Status drop_other_rule_uses(bh_label label, __u32 kept);

}  // namespace bulkhead::loader
