// What running environments used until now, for the ledger: the readings that bills of periods need
// which an environment outlives.
#pragma once

#include <cstddef>
#include <vector>

#include "loader/result.h"
#include "runtime/ledger/bill.h"
#include "runtime/ledger/ledger.h"

namespace bulkhead::runtime {

// Of all environments that are there, ended ones included. Of their documents only what can be
// billed: these are noted every hour.
Result<std::vector<ledger::Entry>> read_running();

// Puts these into the ledger when none were since the current hour (UTC) began.
Status note_hour(ledger::Ledger& ledger);

struct MadeBill {
    ledger::Bill bill;
    std::size_t foreign = 0;  // receipts that are missing in it, see DrainedLedger
};
Result<MadeBill> bill_for(const ledger::Period& period, ledger::Prices prices);

// What a process that stays does now and then: what ended goes to the ledger, the hour's readings
// too. Cheap while there is nothing to do.
Status keep_ledger();

}  // namespace bulkhead::runtime
