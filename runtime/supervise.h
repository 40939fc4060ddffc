// Minding a process in the foreground: signals go to it, its terminal is ours, and its end is
// waited for.
#pragma once

#include <signal.h>

#include "loader/result.h"

namespace bulkhead::runtime {

// Signals that are passed on are blocked from here on, so that none is lost between the start
// and supervise(). Restored by the destructor.
class BlockedSignals {
public:
    BlockedSignals();
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals();

    [[nodiscard]] const sigset_t& blocked() const { return blocked_; }

private:
    sigset_t blocked_{};
    sigset_t before_{};
};

// Until the child behind `pidfd` has ended; returns its status as a shell has it: the exit code,
// or 128 and the signal. `terminal`: the master of the payload's terminal, or -1.
Result<int> supervise(int pidfd, int terminal, const BlockedSignals& signals);

}  // namespace bulkhead::runtime
