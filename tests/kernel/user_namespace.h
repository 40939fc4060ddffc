// A user namespace for cases whose environment is a record alone.
#pragma once

#include "loader/unique_fd.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

// Stays while the object lives. Its root is the machine's, so that files can be made in it.
class UserNamespace {
public:
    UserNamespace();

    [[nodiscard]] __u32 inode() const;
    // 0 or an errno.
    [[nodiscard]] int enter() const;

private:
    Actor holder_;
    UniqueFd fd_;
};

}  // namespace bulkhead::tests
