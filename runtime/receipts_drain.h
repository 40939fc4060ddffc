// The second half of the way of a final reading (runtime/receipts.h): from the pending file into
// the ledger, when somebody opens that.
#pragma once

#include <cstddef>
#include <string>

#include "loader/result.h"
#include "runtime/ledger/ledger.h"
#include "runtime/ledger/pending.h"

namespace bulkhead::runtime {

ledger::Entry to_entry(const ledger::Ended& ended);
ledger::ExecEntry to_entry(const ledger::EndedExec& ended);

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
