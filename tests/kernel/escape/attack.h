// One attack in its three runs: it succeeds where nothing protects, it is refused in an
// environment and leaves nothing behind, and the refusal names hook, class and object.
#pragma once

#include <functional>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/escape/technique.h"

namespace bulkhead::tests {

struct Attack {
    // 0: it got out; else the errno that stopped it.
    std::function<int()> act;
    // As the protected process sees it.
    int error = EPERM;
    // Part of what `why` says of the object.
    std::string object = {};
    // Seen from outside: the attack changed something. None: getting hold of it was the attack.
    std::function<bool()> effect = {};
    // Puts back what the control changed.
    std::function<void()> undo = {};
    // Classes to allow: what is asked before the lock that is proved here.
    std::vector<bh_class> passing = {};
};

// The lock of the technique that this kernel has.
SecondLock lock_of(const Technique& technique);

// All three runs in `environment`, which is as a leak would leave it: no namespaces of its own.
void expect_stopped(const Technique& technique, BareEnvironment& environment, const Attack& attack);

// The same in a fresh environment.
void expect_stopped(const Technique& technique, const Attack& attack);

}  // namespace bulkhead::tests
