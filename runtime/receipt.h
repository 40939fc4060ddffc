// The final usage of an environment, taken once its last process is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "loader/result.h"
#include "runtime/json.h"
#include "runtime/ledger/pending.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

struct Receipt {
    Usage usage;
    std::uint64_t ended_unix_ns = 0;  // when the first process ended; if unknown, now
    // As wait(2) gives it; absent when the first process' end was not seen.
    std::optional<int> exit_status;
    ledger::Exactness exactness = ledger::Exactness::kExact;
};

// Of a final reading, wherever and whenever it was taken.
Receipt receipt_of(const ledger::Ended& ended);

Json to_json(const Receipt& receipt);
// {"code": 3} or {"signal": 9}, of what wait(2) gives; null without.
Json exit_json(const std::optional<int>& status);

// What of a receipt's path can go wrong is asked before anything is started: at the end it would
// stand in the way of the environment's removal. An empty path is no receipt.
Status check_receipt_path(const std::string& path);

// Writes it as JSON; complete or not at all, by way of PATH.new.
Status write_receipt(const Receipt& receipt, const std::string& path);
// Likewise, of any document.
Status write_document(const Json& document, const std::string& path);

}  // namespace bulkhead::runtime
