// Environments whose `run` a test starts by itself, so that it can kill it.
#pragma once

#include <string>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

// The command line of a `run` in the foreground, over the tests' template.
Arguments run_arguments(const std::string& name, const Arguments& command);

// Whether `status` calls it running.
bool runs(const std::string& name);

}  // namespace bulkhead::tests
