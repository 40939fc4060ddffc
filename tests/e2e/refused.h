// What a refusal of the program looks like: one message that names what was asked, and how to go
// on, nothing on standard output, and a stable exit code.
#pragma once

#include <string>
#include <vector>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

struct Message {
    int exit_code;
    std::vector<std::string> names;  // each stands in the message
};

void expect_refused(const Outcome& outcome, const Message& expected);

}  // namespace bulkhead::tests
