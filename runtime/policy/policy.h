// A policy: what an environment may do, written by people, compiled to the rows that the kernel
// programs read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "loader/rules.h"
#include "runtime/policy/document.h"
#include "runtime/policy/mistakes.h"

namespace bulkhead::policy {

inline constexpr std::size_t kMaxRules = 16384;

struct Policy {
    std::vector<Source> sources;        // what it starts from, then itself
    std::vector<Statement> statements;  // rule number N is statements[N - 1]
    loader::Rules rules;

    // nullptr: no rule has this number.
    [[nodiscard]] const Statement* rule(std::uint32_t number) const;
    // "web.toml:3:9: [files] read \"/etc\"", "" when there is no such rule.
    [[nodiscard]] std::string describe_rule(std::uint32_t number) const;
};

// By profile name or, when `name` has a '/' or ends in .toml, by file. kUsage with file, line and
// column of every mistake; the errno when the file cannot be read.
Result<Policy> load(const std::string& name);

// The same of a policy that can be published: kUnsupported where it asks for a class that no
// program decides by, kUsage where it names a device that the machine has not. The profile
// `default` has no sources: a start need not read it.
Result<Policy> load_enforced(const std::string& name);

// The sources of a policy: the profiles that it extends, the first of them first, then `own`.
Result<std::vector<Source>> resolve(Source own);

// From sources as resolve() gives them.
Result<Policy> compile(std::vector<Source> sources);

}  // namespace bulkhead::policy
