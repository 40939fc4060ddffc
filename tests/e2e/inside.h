// Acts inside the environment "box", which must succeed or be refused.
#pragma once

#include <string>

#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {

// What the script prints; it succeeds.
inline std::string done(const std::string& script) {
    const Outcome outcome = exec("box", script);
    EXPECT_EQ(outcome.exit_code, 0) << script << ": " << outcome.out << outcome.err << "\n"
                                    << bulkhead({"why", "box"}).out;
    return outcome.out;
}

// The script fails, and `why` names the reason.
inline void expect_no(const std::string& script, const std::string& reason) {
    const Outcome outcome = exec("box", script);
    EXPECT_NE(outcome.exit_code, 0) << script << ": " << outcome.out;
    const std::string why = bulkhead({"why", "box"}).out;
    EXPECT_NE(why.find(reason), std::string::npos) << script << ": " << why;
}

}  // namespace bulkhead::tests
