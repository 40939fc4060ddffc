// What runs did, as literals, and what is learned of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/policy/decide.h"
#include "runtime/policy/generalise.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {

using policy::FileAct;
using policy::Observations;
using policy::SeenFile;

inline constexpr std::uint32_t kRead = BH_RIGHT_READ;
inline constexpr std::uint32_t kWrite = BH_RIGHT_WRITE;
inline constexpr std::uint32_t kAppend = BH_RIGHT_APPEND;
inline constexpr std::uint32_t kExecute = BH_RIGHT_EXECUTE;

inline SeenFile used(const std::string& path, std::uint32_t rights) {
    return {.path = path, .rights = rights};
}

inline SeenFile named(const std::string& path) {
    return {.path = path, .rights = kWrite, .act = FileAct::kNamed};
}

inline SeenFile listed(const std::string& path) {
    return {.path = path, .rights = kRead, .is_directory = true};
}

// What every run has: its program and its libraries.
inline Observations program() {
    Observations seen;
    seen.files = {used("/usr/bin/true", kExecute),
                  used("/usr/lib/x86_64-linux-gnu/libc.so.6", kRead | kExecute),
                  used("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", kExecute),
                  used("/etc/ld.so.cache", kRead)};
    return seen;
}

inline std::string text_of(const Observations& seen,
                           const std::string& learning = "mode = \"learn\"\n") {
    return policy::learned_text(seen, compiled(learning));
}

// The learned policy, which allows all that was seen.
inline policy::Policy learned(const Observations& seen) {
    const std::string text = text_of(seen);
    SCOPED_TRACE(text);
    policy::Policy policy = compiled(text);
    EXPECT_EQ(policy::refused_of(seen, policy), std::vector<std::string>{});
    EXPECT_EQ(BH_CONTROL_MODE(policy.rules.control), BH_MODE_ENFORCE);
    EXPECT_EQ(policy.rules.policy.learned, 0U);
    return policy;
}

inline bool allows(const policy::Policy& policy, const std::string& act,
                   const std::string& object) {
    const auto decision = policy::decide_act(policy, act, object);
    EXPECT_TRUE(decision.has_value()) << act << " " << object;
    return decision && decision->allowed;
}

}  // namespace bulkhead::tests
