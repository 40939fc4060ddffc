// The modes of a policy and of its sections.
#include <cstdint>
#include <utility>

#include "loader/coverage.h"
#include "runtime/policy/compile.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

constexpr std::uint64_t bit(unsigned class_id) {
    return 1ULL << class_id;
}

// What keeps Bulkhead itself standing is refused even so; and bounds are no rules of a policy.
constexpr std::uint64_t kNotLearned =
    bit(BH_CLASS_IDENTITY) | bit(BH_CLASS_SELF) | bit(BH_CLASS_BEANCOUNTERS);

std::uint64_t learnable(std::uint64_t classes) {
    for (unsigned id = 0; id < BH_CLASS_COUNT; ++id) {
        if (!loader::is_enforced(static_cast<bh_class>(id)))
            classes &= ~bit(id);
    }
    return classes & ~kNotLearned;
}

// A row for each way that addresses are found by: what none gives is refused, and so learned.
void refuse_all_addresses(loader::Rules& rules) {
    constexpr std::uint32_t kMapped = 96, kAddress = 128;
    rules.routes.assign(3, {});
    rules.routes[1].address[10] = rules.routes[1].address[11] = 0xff;
    rules.routes[1].prefix_bits = kMapped;
    rules.routes[2].prefix_bits = kAddress;
}

void drop(bh_policy& row, bh_policy_flags flag) {
    row.flags &= static_cast<__u16>(~flag);
}

// Everything that these classes are about is refused, and nothing given: each act comes to be
// judged, and is let through because it is learned. What a start has to make is made, though: what
// it left out could not be used, and so not learned.
void learn(Compilation& compilation, std::uint64_t classes, std::uint32_t number) {
    loader::Rules& rules = compilation.policy.rules;
    classes = learnable(classes);
    for (unsigned id = 0; id < BH_CLASS_COUNT; ++id) {
        if ((classes & bit(id)) != 0)
            compilation.refuse(static_cast<bh_class>(id), number);
    }
    rules.policy.learned |= classes;
    rules.policy.audited &= ~classes;
    if ((classes & (bit(BH_CLASS_PATHS) | bit(BH_CLASS_EXECUTION))) != 0) {
        rules.nodes.assign(1, {});
        rules.nodes.front().rule = number;
    }
    // Addresses are learned, not whose they are.
    if ((classes & bit(BH_CLASS_EGRESS)) != 0) {
        refuse_all_addresses(rules);
        drop_reached_peers(rules);
    }
    if ((classes & bit(BH_CLASS_LISTEN)) != 0)
        rules.policy.listen_count = 0;
    if ((classes & bit(BH_CLASS_CGROUPS)) != 0)
        drop(rules.policy, BH_POLICY_OWN_CGROUPS);
    if ((classes & (bit(BH_CLASS_PATHS) | bit(BH_CLASS_EXECUTION))) != 0)
        drop(rules.policy, BH_POLICY_REVOKES);
    if ((classes & bit(BH_CLASS_SYSCTL)) != 0) {
        rules.sysctls.clear();
        drop(rules.policy, BH_POLICY_SYSCTLS);
    }
    // Ioctls are not learned: their list is in the section of sysctls, and refuses as devices.
    if ((classes & (bit(BH_CLASS_SYSCTL) | bit(BH_CLASS_DEVICES))) != 0)
        drop(rules.policy, BH_POLICY_IOCTLS);
    if ((classes & bit(BH_CLASS_DROPPED_CAPABILITIES)) != 0)
        rules.lent_capabilities = std::exchange(rules.policy.capabilities, 0);
}

void audit(Compilation& compilation, std::uint32_t number) {
    const Statement& statement = compilation.statement(number);
    const std::uint64_t classes = section_classes(statement.key->section) &
                                  BH_CONTROL_CLASSES(compilation.policy.rules.control);
    if (classes == 0)
        return compilation.mistake(
            number, key_title(*statement.key) + " changes nothing: the section refuses nothing");
    bh_policy& row = compilation.policy.rules.policy;
    row.audited |= classes;
    if (statement.key->section == Section::kKernel && (row.flags & BH_POLICY_IOCTLS) != 0)
        row.flags |= BH_POLICY_IOCTLS_AUDITED;
}

void compile_section(Compilation& compilation, std::uint32_t number, std::uint32_t top) {
    const Statement& statement = compilation.statement(number);
    const std::string whole = top == 0 ? "enforce" : compilation.statement(top).value;
    // What is said of the whole policy later, as by `bulkhead set --mode`, holds for its sections.
    if (whole == "learn" && compilation.source_of(top) > compilation.source_of(number))
        return;
    if (whole == "learn" && statement.value != "learn")
        return compilation.mistake(number,
                                   "a section cannot " + statement.value +
                                       " while the policy learns: leave mode = \"learn\" at the "
                                       "top out, and write it in the sections that learn");
    if (whole == "audit" && statement.value == "enforce")
        return compilation.mistake(number,
                                   "a section cannot enforce while the policy audits: write "
                                   "mode = \"enforce\" at the top, and mode = \"audit\" in "
                                   "the sections that only record");
    if (statement.value == "audit")
        audit(compilation, number);
    else if (statement.value == "learn")
        learn(compilation, section_classes(statement.key->section), number);
}

void set_mode(loader::Rules& rules, bh_mode mode) {
    rules.control |= static_cast<std::uint64_t>(mode) << BH_CONTROL_MODE_SHIFT;
}

}  // namespace

void compile_modes(Compilation& compilation) {
    loader::Rules& rules = compilation.policy.rules;
    const std::uint32_t top = compilation.last(Key::kMode);
    const std::string whole = top == 0 ? "enforce" : compilation.statement(top).value;
    if (whole == "audit")
        set_mode(rules, BH_MODE_AUDIT);
    for (const Key key : {Key::kFilesMode, Key::kNetworkMode, Key::kProcessesMode,
                          Key::kCapabilitiesMode, Key::kKernelMode, Key::kMountsMode}) {
        if (const std::uint32_t number = compilation.last(key); number != 0)
            compile_section(compilation, number, top);
    }
    if (whole != "learn")
        return;
    set_mode(rules, BH_MODE_LEARN);
    learn(compilation, BH_CONTROL_CLASSES(~0ULL), top);
}

}  // namespace bulkhead::policy
