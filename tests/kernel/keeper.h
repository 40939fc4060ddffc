// Keeps programs on their hooks that are there only while a policy asks for them. A hook takes a
// tenth of a second and more to let go of one, and cases ask for a dozen, time and again.
#pragma once

#include "loader/result.h"

namespace bulkhead::tests {

inline constexpr const char* kKeeper = "keeper";

// Publishes a record of that name, without tasks, that asks for all of them, until the programs are
// unloaded.
Status keep_programs();
Status let_programs_go();

// For cases about programs that nobody asks for.
class NobodyAsks {
public:
    NobodyAsks();
    NobodyAsks(const NobodyAsks&) = delete;
    NobodyAsks& operator=(const NobodyAsks&) = delete;
    ~NobodyAsks();
};

}  // namespace bulkhead::tests
