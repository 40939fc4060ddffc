// The life of what is started by `exec`, as far as its usage goes: from its row in the kernel to
// the ledger's pending file, once its last process is gone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/exec_usage.h"

namespace bulkhead::runtime {

struct NewExec {
    std::string environment;
    bh_label label{};
    std::string command;
    std::string receipt_path;  // empty: none is wanted as a file
    int pidfd = -1;            // of its first process, which waits and has its label
    pid_t pid = 0;
};

// From now on all that the process does is counted for the exec whose number this returns.
Result<std::uint64_t> begin_exec(const NewExec& wanted);

// It never ran its command.
void forget_exec(const std::string& environment, std::uint64_t number);

// For whoever waited for the end of its first process: stores its receipt, unless there are others
// of it, after which the next command does so.
Status finish_exec(std::uint64_t number);

// Stores the receipts of what ended and nobody waited for. Costs a load while there never was any.
void sweep_execs(const loader::Environments& environments);

// The same, of one environment in which nothing runs any more, to be done before it is removed.
Status store_execs_of(const loader::Environments& environments, bh_label label);

// What runs in the environment, up to now. ENOENT: no environment has this name.
Result<std::vector<ExecUsage>> read_execs_of(const std::string& environment);

}  // namespace bulkhead::runtime
