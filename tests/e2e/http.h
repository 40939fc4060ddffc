// A GET over plain HTTP on loopback, as the tests of the agent need it.
#pragma once

#include <string>

namespace bulkhead::tests {

// The body of the answer; empty when nobody answers or the status is not 200.
std::string http_get(int port, const std::string& path);

}  // namespace bulkhead::tests
