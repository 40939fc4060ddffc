// Policies written as literals in tests.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "runtime/policy/policy.h"

namespace bulkhead::tests {

// The compiled text, under the name p.toml; fails the test when it has a mistake.
inline policy::Policy compiled(const std::string& text) {
    auto sources = policy::resolve({"p.toml", text});
    EXPECT_TRUE(sources.has_value()) << sources.error().message();
    if (!sources)
        return {};
    auto policy = policy::compile(std::move(*sources));
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    return policy ? std::move(*policy) : policy::Policy{};
}

// What is said about the text; "" when nothing is.
inline std::string mistakes_of(const std::string& text) {
    auto sources = policy::resolve({"p.toml", text});
    if (!sources)
        return sources.error().message();
    const auto policy = policy::compile(std::move(*sources));
    return policy ? "" : policy.error().message();
}

}  // namespace bulkhead::tests
