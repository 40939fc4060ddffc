// A policy's text taken apart: what each key says and where, checked against the schema only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/policy/mistakes.h"
#include "runtime/policy/schema.h"

namespace bulkhead::policy {

enum class Form : std::uint8_t {
    kValue,  // of a key, or one entry of a list
    kList,   // the key of a list, before its entries; the list may be empty
};

// One thing that a policy says.
struct Statement {
    const KeyInfo* key = nullptr;
    Place place;
    std::string value;
    Form form = Form::kValue;
};

// The statements of `sources[index]` in the order of the text. A text that is no TOML has one
// mistake, the first.
std::vector<Statement> read_statements(const std::vector<Source>& sources, std::uint32_t index,
                                       Mistakes& mistakes);

}  // namespace bulkhead::policy
