// Any text is either refused with a sentence or compiled to rows that hold together, and what is
// shown of it compiles again to the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/policy/diff.h"
#include "runtime/policy/policy.h"
#include "runtime/policy/show.h"

namespace {

namespace policy = bulkhead::policy;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void check_rows(const bulkhead::loader::Rules& rules, std::size_t statements) {
    for (std::size_t i = 1; i < rules.nodes.size(); ++i) {
        require(rules.nodes[i].parent < i);
        require(!rules.nodes[i].name.empty() && rules.nodes[i].name.size() < BH_COMPONENT_BYTES);
        require(rules.nodes[i].rule <= statements);
    }
    for (const auto& row : rules.routes)
        require(row.prefix_bits <= 128);
    require(rules.policy.listen_count <= BH_MAX_LISTEN);
    const bool egress = BH_CONTROL_REFUSES(rules.control, BH_CLASS_EGRESS) != 0;
    require(egress == !rules.routes.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    auto sources = policy::resolve({"fuzz.toml", text});
    if (!sources) {
        require(!sources.error().message().empty());
        return 0;
    }
    const auto compiled = policy::compile(std::move(*sources));
    if (!compiled) {
        require(!compiled.error().message().empty());
        return 0;
    }
    check_rows(compiled->rules, compiled->statements.size());
    auto shown = policy::resolve({"shown.toml", policy::effective_text(*compiled)});
    require(shown.has_value());
    const auto again = policy::compile(std::move(*shown));
    // What extends a profile may say there what its own text must not: that changes nothing.
    if (again && compiled->sources.size() == 1)
        require(policy::compare(*compiled, *again).empty());
    return 0;
}
