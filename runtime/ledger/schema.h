// The tables of the ledger, and which version of them a file has.
#pragma once

#include <string>

#include "loader/result.h"
#include "runtime/ledger/database.h"

namespace bulkhead::ledger {

// Makes the tables that an empty file, or one of an older version, lacks. An error for a file of a
// newer version, or of another program.
Status prepare_schema(Database& database, const std::string& path);

}  // namespace bulkhead::ledger
