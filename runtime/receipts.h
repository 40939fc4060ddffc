// The way of a final reading: from the kernel to the ledger's pending file when an environment is
// found ended, and from there into the ledger when somebody opens that.
#pragma once

#include <cstddef>
#include <string>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"
#include "runtime/cgroup.h"
#include "runtime/ledger/ledger.h"
#include "runtime/ledger/pending.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Of an environment in which nothing runs any more: leaves its usage for the ledger, and writes it
// where the specification wants it. To be done before its record is withdrawn; may be done twice.
// Done, too, when its record is gone: somebody else did it.
Status store_final(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                   const EnvironmentSpec& spec);

// The same of one whose cgroup is gone: what was last read of it.
Status store_last_read(const loader::Environments& environments, bh_label label);

ledger::Entry to_entry(const ledger::Ended& ended);

struct Drained {
    std::size_t stored = 0;
    std::size_t foreign = 0;  // left to the version of Bulkhead that wrote them
};

// Moves what is pending in `directory` into the ledger there.
Result<Drained> drain(ledger::Ledger& ledger, const std::string& directory);

struct DrainedLedger {
    ledger::Ledger ledger;
    std::size_t foreign = 0;  // as above
};

// Opens the ledger with all in it that ended until now: whatever nobody minds is swept first.
Result<DrainedLedger> open_drained_ledger();

// For people, about what was left to another version; empty when nothing was.
std::string note_of_foreign(std::size_t foreign);

}  // namespace bulkhead::runtime
