#include "runtime/ledger/schema.h"

#include <array>

#include "runtime/ledger/ledger.h"

namespace bulkhead::ledger {
namespace {

constexpr std::int64_t kApplicationId = 0x424c4b48;  // "BLKH", shown by file(1)

// What is written to a database by COMMIT is on the disk when that returns: FULL, as in WAL mode
// NORMAL leaves the last commits to the next checkpoint.
constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

// What makes the next version of a file; of an empty one the first.
constexpr std::array kSteps = {
    R"(
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  boot TEXT NOT NULL,
  loaded_ns INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  environment TEXT NOT NULL,
  started_ns INTEGER NOT NULL,
  ended_ns INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (boot, loaded_ns, serial)
) STRICT;
CREATE INDEX receipts_by_end ON receipts (ended_ns);
CREATE INDEX receipts_by_name ON receipts (environment, ended_ns);
CREATE TABLE totals (
  path TEXT PRIMARY KEY,
  high INTEGER NOT NULL,
  low INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE readings (
  boot TEXT NOT NULL,
  loaded_ns INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  environment TEXT NOT NULL,
  started_ns INTEGER NOT NULL,
  noted_ns INTEGER NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (boot, loaded_ns, serial, noted_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX readings_by_time ON readings (noted_ns);
PRAGMA user_version = 1;
PRAGMA application_id = 1112296264;
)",
    R"(
CREATE TABLE exec_receipts (
  id INTEGER PRIMARY KEY,
  boot TEXT NOT NULL,
  loaded_ns INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  exec INTEGER NOT NULL,
  environment TEXT NOT NULL,
  started_ns INTEGER NOT NULL,
  ended_ns INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (boot, loaded_ns, exec)
) STRICT;
CREATE INDEX exec_receipts_by_end ON exec_receipts (ended_ns);
CREATE INDEX exec_receipts_by_name ON exec_receipts (environment, ended_ns);
PRAGMA user_version = 2;
)"};
static_assert(kSchemaVersion == kSteps.size() && kApplicationId == 1112296264);

Status make_tables(Database& database) {
    auto transaction = Transaction::begin(database);
    if (!transaction)
        return fail(std::move(transaction).error());
    // Another one may have made them meanwhile.
    BULKHEAD_TRY_VALUE(version, database.number("PRAGMA user_version"));
    for (auto done = static_cast<std::size_t>(version); done < kSteps.size(); ++done)
        BULKHEAD_TRY(database.execute(kSteps[done]));
    return transaction->commit();
}

}  // namespace

Status prepare_schema(Database& database, const std::string& path) {
    BULKHEAD_TRY_VALUE(version, database.number("PRAGMA user_version"));
    BULKHEAD_TRY_VALUE(tables, database.number("SELECT count(*) FROM sqlite_schema"));
    BULKHEAD_TRY_VALUE(application, database.number("PRAGMA application_id"));
    if (tables != 0 && application != kApplicationId)
        return fail(Error(0, path + " is no ledger: another program's database lies there")
                        .advise("move it aside, or name another place by BULKHEAD_LEDGER=DIR"));
    if (version > kSchemaVersion)
        return fail(Error(0, "the ledger " + path +
                                 " was written by a newer bulkhead: its schema is " +
                                 std::to_string(version) + ", this one knows up to " +
                                 std::to_string(kSchemaVersion))
                        .advise("use that version; nothing is lost: receipts wait in the "
                                "directory's file `pending` until it stores them"));
    BULKHEAD_TRY(database.execute(kSettings));
    return version == kSchemaVersion ? Status{} : make_tables(database);
}

}  // namespace bulkhead::ledger
