// Whoever is killed is killed on the verge of changing something: between two changes nothing
// differs.
#pragma once

#include <sys/types.h>

namespace bulkhead::tests {

// The system calls of a program that runs.
class Traced {
public:
    explicit Traced(pid_t pid);

    // Until it is about to change something of the kernel's or the file system's; false: it has
    // ended.
    bool to_next_change();

private:
    pid_t pid_;
};

}  // namespace bulkhead::tests
