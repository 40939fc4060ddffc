#include "runtime/refusal_json.h"

#include <cstring>

#include "loader/refusals.h"
#include "runtime/clock.h"
#include "runtime/explain.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

Json rule_to_json(const ExplainedRefusal& refusal) {
    if (!refusal.rule)
        return nullptr;
    return {{"number", refusal.row.rule},
            {"file", refusal.rule_file},
            {"line", refusal.rule->place.line},
            {"column", refusal.rule->place.column},
            {"section", policy::section_name(refusal.rule->key->section)},
            {"key", refusal.rule->key->name},
            {"value", refusal.rule->value}};
}

}  // namespace

std::string comm_of(const bh_refusal& refusal) {
    return std::string(refusal.comm, ::strnlen(refusal.comm, sizeof refusal.comm));
}

Json to_json(const std::string& environment, const ExplainedRefusal& refusal) {
    const bh_refusal& row = refusal.row;
    return {{"environment", environment},
            {"time", rfc3339(unix_ns_of_boot_ns(row.time_ns))},
            {"sequence", row.sequence},
            {"pid", row.pid},
            {"tid", row.tid},
            {"comm", comm_of(row)},
            {"uid", row.uid},
            {"uid_inside", refusal.uid_inside},
            {"hook", loader::hook_name(row.hook)},
            {"object", describe_object(row)},
            {"rule", loader::class_name(row.class_id)},
            {"meaning", loader::class_meaning(row.class_id)},
            {"policy_rule", rule_to_json(refusal)},
            {"to_allow", refusal.to_allow},
            {"errno", error_name(row)},
            {"generation", row.generation},
            {"audited", (row.flags & BH_REFUSAL_AUDITED) != 0},
            {"warned", (row.flags & BH_REFUSAL_WARNED) != 0},
            {"internal", (row.flags & BH_REFUSAL_INTERNAL) != 0}};
}

}  // namespace bulkhead::runtime
