// Receipts of the ledger as people and programs read them.
#pragma once

#include <span>
#include <string>

#include "runtime/json.h"
#include "runtime/ledger/ledger.h"

namespace bulkhead::runtime {

// A line each.
std::string receipts_text(std::span<const ledger::Entry> receipts);
std::string exec_receipts_text(std::span<const ledger::Entry> receipts);
// An array of the documents, each with its life: boot, loaded_ns, serial.
Json receipts_json(std::span<const ledger::Entry> receipts);
// RFC 4180. A column for every value of the documents, by its path; which there are is in the head.
std::string receipts_csv(std::span<const ledger::Entry> receipts);

// A field of CSV, in quotes where it needs them.
std::string csv_field(const std::string& value);

}  // namespace bulkhead::runtime
