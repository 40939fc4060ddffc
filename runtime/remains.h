// What an ended environment leaves, and taking it away: by whoever minded it, or by the next
// command when nobody does any more.
#pragma once

#include <string>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/spec.h"
#include "runtime/store.h"

namespace bulkhead::runtime {

// Removes what exists of an environment in which nothing runs: cgroup, record, state directory,
// kept layer. Used where errors can only be swallowed: a failed start.
void remove_remains(const std::string& name, bh_label label);

// The same, for an orderly end: reports what could not be removed. Without its receipt stored
// nothing is: the next command tries again.
Status remove_environment(loader::Environments& environments, const std::string& name);

// Of one whose receipt is stored.
Status remove_stored(loader::Environments& environments, const std::string& name);

// Into the journal, once: that the first process of an environment ended now, and how, as a shell
// has it. For whoever minds it; of what nobody minded sweep() tells.
void tell_end(const StateDirectory& directory, const EnvironmentSpec& spec, int exit_code);

// Environments that have ended or never started, and whose minder is gone: writes their
// receipts, and removes those that were to be removed. Likewise the receipts of what `exec`
// started. Costs a look at the records while all is well.
void sweep(loader::Environments& environments);

// State directories without a record: of starts that died before they had one, of removals that
// were interrupted. What is there but cannot be read stays until `destroy --force`. Costs a look at
// every state directory.
void sweep_unrecorded(const loader::Environments& environments);

}  // namespace bulkhead::runtime
