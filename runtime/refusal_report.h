// Refusals as `why` tells them: with the rule of the policy that was published at the time, and
// what would have to stand there instead.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/policy/policy.h"

namespace bulkhead::runtime {

struct ExplainedRefusal {
    bh_refusal row{};
    std::optional<policy::Statement> rule;  // none: the class alone decided
    std::string rule_file;                  // of `rule`
    std::string rule_text;                  // "web.toml:3:9: [files] read \"/etc\"", or ""
    std::optional<std::uint32_t> uid_inside;
    std::string to_allow;  // a line of a policy, lines of two, or ""
};

// Refusals of one class by one rule.
struct RefusalGroup {
    ExplainedRefusal last;
    std::uint64_t count = 0;
    std::uint64_t first_ns = 0;  // CLOCK_BOOTTIME
};

class RefusalReport {
public:
    // `record`: of the environment, for its range of ids.
    RefusalReport(std::string name, const bh_environment& record)
        : name_(std::move(name)), uid_base_(record.uid_base), uid_count_(record.uid_count) {}

    // `environments`: where the other one of an act between two is looked for.
    ExplainedRefusal explain(const bh_refusal& row, const loader::Environments& environments);
    // The one that was refused last comes last. Rows oldest first.
    std::vector<RefusalGroup> group(const std::vector<bh_refusal>& rows,
                                    const loader::Environments& environments);

private:
    // What was published as this generation; nullptr when its text is not kept.
    const policy::Policy* policy_of(std::uint32_t generation);

    std::string name_;
    std::uint32_t uid_base_;
    std::uint32_t uid_count_;
    std::map<std::uint32_t, std::optional<policy::Policy>> policies_;
};

// "90", "30s", "10m", "2h", "1d" in nanoseconds.
Result<std::uint64_t> parse_duration(const std::string& text);

}  // namespace bulkhead::runtime
