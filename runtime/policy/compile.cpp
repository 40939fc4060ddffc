#include "runtime/policy/compile.h"

#include <algorithm>
#include <cstdint>

#include "runtime/policy/classes.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

void allow_class(Compilation& compilation, std::uint32_t number) {
    const std::string& name = compilation.statement(number).value;
    const auto class_id = find_class(name);
    if (!class_id)
        return compilation.mistake(
            number, "no class is named \"" + name + "\"" + did_you_mean(name, class_names()));
    const std::uint32_t setter = compilation.policy.rules.policy.rule_of_class[*class_id];
    const std::string by = compilation.policy.describe_rule(setter);
    const bool same_source =
        setter != 0 && compilation.source_of(setter) == compilation.source_of(number);
    if (!compilation.refuses(*class_id) && (setter == 0 || same_source))
        return compilation.mistake(
            number, "allow \"" + name + "\" changes nothing: " +
                        (setter == 0 ? "no rule refuses this class" : by + " allows it already"));
    if (same_source)
        return compilation.mistake(
            number, "allow \"" + name + "\" contradicts " + by + ": leave one of them out");
    if (compilation.source_of(setter) <= compilation.source_of(number))
        compilation.allow(*class_id, number);
}

void drop_unused_rows(loader::Rules& rules) {
    if (!BH_CONTROL_REFUSES(rules.control, BH_CLASS_PATHS) &&
        !BH_CONTROL_REFUSES(rules.control, BH_CLASS_EXECUTION))
        rules.nodes.clear();
    if (!BH_CONTROL_REFUSES(rules.control, BH_CLASS_EGRESS)) {
        rules.routes.clear();
        drop_reached_peers(rules);
    }
    if (!BH_CONTROL_REFUSES(rules.control, BH_CLASS_LISTEN))
        rules.policy.listen_count = 0;
}

bool add_statements(Compilation& compilation, std::uint32_t source) {
    Policy& policy = compilation.policy;
    std::vector<Statement> more = read_statements(policy.sources, source, compilation.mistakes);
    for (const Statement& statement : more)
        compilation.keys |= 1ULL << static_cast<unsigned>(statement.key->key);
    const std::size_t count = policy.statements.size() + more.size();
    if (count > kMaxRules) {
        compilation.mistakes.add({source, 0, 0},
                                 "the policy has " + std::to_string(count) + " rules, more than " +
                                     std::to_string(kMaxRules) +
                                     ": name directories instead of the files in them");
        return false;
    }
    if (policy.statements.empty())
        policy.statements = std::move(more);
    else
        std::move(more.begin(), more.end(), std::back_inserter(policy.statements));
    return true;
}

}  // namespace

bool Compilation::has(Key key) const {
    return (keys >> static_cast<unsigned>(key) & 1) != 0;
}

std::uint32_t Compilation::last(Key key, Form form) const {
    if (!has(key))
        return 0;
    for (std::size_t i = policy.statements.size(); i > 0; --i) {
        const Statement& found = policy.statements[i - 1];
        if (found.key->key == key && found.form == form)
            return static_cast<std::uint32_t>(i);
    }
    return 0;
}

std::vector<std::uint32_t> Compilation::entries_of_last(Key key) const {
    std::vector<std::uint32_t> numbers;
    const std::uint32_t list = last(key, Form::kList);
    for (std::size_t i = list; list != 0 && i < policy.statements.size(); ++i) {
        if (policy.statements[i].key->key == key)
            numbers.push_back(static_cast<std::uint32_t>(i + 1));
    }
    return numbers;
}

std::vector<std::uint32_t> Compilation::entries(Key key) const {
    std::vector<std::uint32_t> numbers;
    if (!has(key))
        return numbers;
    for (std::size_t i = 0; i < policy.statements.size(); ++i) {
        if (policy.statements[i].key->key == key && policy.statements[i].form == Form::kValue)
            numbers.push_back(static_cast<std::uint32_t>(i + 1));
    }
    return numbers;
}

void Compilation::refuse(bh_class class_id, std::uint32_t number) {
    policy.rules.control |= 1ULL << class_id;
    policy.rules.policy.rule_of_class[class_id] = number;
}

void Compilation::allow(bh_class class_id, std::uint32_t number) {
    policy.rules.control &= ~(1ULL << class_id);
    policy.rules.policy.rule_of_class[class_id] = number;
}

void compile_classes(Compilation& compilation) {
    for (const std::uint32_t number : compilation.entries(Key::kClass)) {
        const Statement& statement = compilation.statement(number);
        const auto class_id = static_cast<bh_class>(statement.key->class_id);
        if (statement.value == "refuse")
            compilation.refuse(class_id, number);
        else
            compilation.allow(class_id, number);
    }
    compile_sysctl_class(compilation);
    for (const std::uint32_t number : compilation.entries_of_last(Key::kFamilies))
        compilation.allow(
            compilation.statement(number).value == "raw" ? BH_CLASS_RAW_SOCKETS : BH_CLASS_FAMILIES,
            number);
}

void compile_allow(Compilation& compilation) {
    for (const std::uint32_t number : compilation.entries(Key::kAllow))
        allow_class(compilation, number);
    drop_unused_rows(compilation.policy.rules);
}

void compile_cgroups(Compilation& compilation) {
    const std::uint32_t number = compilation.last(Key::kCgroups);
    if (number == 0 || compilation.statement(number).value != "own")
        return;
    if (!compilation.refuses(BH_CLASS_CGROUPS))
        return compilation.mistake(
            number, "[kernel] cgroups changes nothing: " +
                        compilation.policy.describe_rule(
                            compilation.policy.rules.policy.rule_of_class[BH_CLASS_CGROUPS]) +
                        " allows all cgroups");
    compilation.policy.rules.policy.flags |= BH_POLICY_OWN_CGROUPS;
}

void compile_revoke(Compilation& compilation) {
    const std::uint32_t number = compilation.last(Key::kRevoke);
    if (number == 0 || compilation.statement(number).value == "none")
        return;
    if (compilation.policy.rules.nodes.empty())
        return compilation.mistake(number,
                                   "[files] revoke changes nothing: no rule refuses a path; write "
                                   "default, refuse or execute beside it");
    compilation.policy.rules.policy.flags |= BH_POLICY_REVOKES;
}

Result<Policy> compile(std::vector<Source> sources) {
    Compilation compilation;
    compilation.policy.sources = std::move(sources);
    for (std::uint32_t source = 0; source < compilation.policy.sources.size(); ++source) {
        if (!add_statements(compilation, source))
            return fail(compilation.mistakes.to_error(compilation.policy.sources));
    }
    compile_classes(compilation);
    compile_files(compilation);
    compile_listen(compilation);
    compile_egress(compilation);
    compile_capabilities(compilation);
    compile_ipc(compilation);
    compile_allow(compilation);
    compile_devices(compilation);
    compile_cgroups(compilation);
    compile_sysctls(compilation);
    compile_ioctls(compilation);
    compile_revoke(compilation);
    compile_modes(compilation);
    if (!compilation.mistakes.empty())
        return fail(compilation.mistakes.to_error(compilation.policy.sources));
    return std::move(compilation.policy);
}

const Statement* Policy::rule(std::uint32_t number) const {
    return number == 0 || number > statements.size() ? nullptr : &statements[number - 1];
}

std::string Policy::describe_rule(std::uint32_t number) const {
    const Statement* statement = rule(number);
    if (statement == nullptr)
        return "";
    const std::string text =
        describe(sources, statement->place) + ": " + key_title(*statement->key);
    return statement->form == Form::kList ? text : text + " \"" + statement->value + "\"";
}

}  // namespace bulkhead::policy
