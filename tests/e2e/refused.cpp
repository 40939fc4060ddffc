#include "tests/e2e/refused.h"

#include <algorithm>

namespace bulkhead::tests {

void expect_refused(const Outcome& outcome, const Message& expected) {
    EXPECT_EQ(outcome.exit_code, expected.exit_code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("bulkhead")) << outcome.err;
    EXPECT_TRUE(outcome.err.ends_with("\n")) << outcome.err;
    for (const std::string& name : expected.names)
        EXPECT_NE(outcome.err.find(name), std::string::npos)
            << "the message does not name " << name << ": " << outcome.err;
    // One message and one remedy: a second line is an indented one.
    const auto lines = std::count(outcome.err.begin(), outcome.err.end(), '\n');
    EXPECT_TRUE(lines == 1 || (lines == 2 && outcome.err.find("\n  ") != std::string::npos))
        << outcome.err;
}

}  // namespace bulkhead::tests
