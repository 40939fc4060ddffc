// The parts of compiling a policy; each reads the statements of its section.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/policy/policy.h"

namespace bulkhead::policy {

// A policy on its way: its statements in order of number, and what is wrong.
struct Compilation {
    Policy policy;
    Mistakes mistakes;
    std::uint64_t keys = 0;  // a bit for each that a statement has

    void mistake(std::uint32_t number, std::string what) {
        mistakes.add(policy.statements[number - 1].place, std::move(what));
    }
    // Whether any statement has this key.
    [[nodiscard]] bool has(Key key) const;
    // The number of the last statement of this key in this form; 0: there is none.
    [[nodiscard]] std::uint32_t last(Key key, Form form = Form::kValue) const;
    // The entries of the last list of this key, by number.
    [[nodiscard]] std::vector<std::uint32_t> entries_of_last(Key key) const;
    // The entries of all lists of this key, by number.
    [[nodiscard]] std::vector<std::uint32_t> entries(Key key) const;

    [[nodiscard]] const Statement& statement(std::uint32_t number) const {
        return policy.statements[number - 1];
    }
    [[nodiscard]] std::uint32_t source_of(std::uint32_t number) const {
        return number == 0 ? 0 : statement(number).place.source;
    }
    // The class is refused, by the rule of this number.
    void refuse(bh_class class_id, std::uint32_t number);
    void allow(bh_class class_id, std::uint32_t number);
    [[nodiscard]] bool refuses(unsigned class_id) const {
        return BH_CONTROL_REFUSES(policy.rules.control, class_id) != 0;
    }
};

void compile_files(Compilation& compilation);
void compile_listen(Compilation& compilation);
void compile_egress(Compilation& compilation);
void compile_capabilities(Compilation& compilation);
void compile_ipc(Compilation& compilation);
// Keys that are a class each, and families; before the sections.
void compile_classes(Compilation& compilation);
// `allow` at the top; after them.
void compile_allow(Compilation& compilation);
// [kernel] sysctl as a class: refused where a list names some.
void compile_sysctl_class(Compilation& compilation);
// What the class of devices does not say; after both.
void compile_devices(Compilation& compilation);
// Likewise what the class of cgroups does not say.
void compile_cgroups(Compilation& compilation);
// Likewise what the classes of sysctls and devices do not say.
void compile_sysctls(Compilation& compilation);
void compile_ioctls(Compilation& compilation);
// [files] revoke; after all that decides whether paths are asked about.
void compile_revoke(Compilation& compilation);
// Last: what is learned replaces what the keys say.
void compile_modes(Compilation& compilation);

}  // namespace bulkhead::policy
