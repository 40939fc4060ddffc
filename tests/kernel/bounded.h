// An environment whose kernel objects are bounded, and descriptors that leave it.
#pragma once

#include "loader/beancounters.h"
#include "loader/unique_fd.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

class Bounded : public BareEnvironment {
public:
    Bounded();

    void bound(bh_beancounter_id counter, loader::Bounds bounds);
    void unbound(bh_beancounter_id counter);
    [[nodiscard]] bh_beancounter counter(bh_beancounter_id counter) const;

    // What a worker of the kernel frees, or what counts until it frees a task, takes a moment.
    [[nodiscard]] bool settles_at_zero(bh_beancounter_id counter) const;

private:
    loader::Environments environments_;
};

// Of all environments: whose end has not been seen.
unsigned charged_objects();

// Two connected sockets of whoever makes the object; the process that has one end may pass
// descriptors to the other. Without sockets, where they are refused, nothing passes.
class Pair {
public:
    Pair();

    // As sendmsg(2). The descriptor stays open.
    [[nodiscard]] long send_descriptor(int descriptor) const;
    // Empty when none came.
    [[nodiscard]] UniqueFd receive_descriptor() const;

private:
    UniqueFd first_;
    UniqueFd second_;
};

}  // namespace bulkhead::tests
