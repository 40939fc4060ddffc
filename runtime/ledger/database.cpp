#include "runtime/ledger/database.h"

#include <sqlite3.h>

#include <cerrno>

namespace bulkhead::ledger {
namespace {

constexpr const char* kNothingLost =
    "nothing is lost: receipts wait in the directory's file `pending`, and the next command stores "
    "them";

// By the code that SQLite gives.
Error explain(int code, int system_error, const std::string& path, const char* message,
              const std::string& doing) {
    const std::string where = doing + ": the ledger " + path;
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Error(EBUSY, where + " is locked by another program")
                .advise(std::string("try again when that has finished; ") + kNothingLost);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Error(0, where + " is damaged (" + message + ")")
                .advise("move it aside (mv " + path + " " + path +
                        ".damaged), `sqlite3 … .recover` saves what it can; a new one begins at "
                        "the next command; " +
                        kNothingLost);
        case SQLITE_FULL:
            return Error(ENOSPC, where)
                .advise(std::string("make room on its file system; ") + kNothingLost);
        default:
            return Error(system_error, where + ": " + message).advise(kNothingLost);
    }
}

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement& Statement::bind(int place, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), place + 1, value);
    return *this;
}

Statement& Statement::bind(int place, std::string_view value) {
    sqlite3_bind_text(statement_.get(), place + 1, value.data(), static_cast<int>(value.size()),
                      SQLITE_TRANSIENT);
    return *this;
}

Result<bool> Statement::step() {
    switch (sqlite3_step(statement_.get())) {
        case SQLITE_ROW:
            return true;
        case SQLITE_DONE:
            return false;
        default:
            return fail(database_->error("read or write"));
    }
}

Status Statement::run() {
    Result<bool> row = true;
    while (row && *row)
        row = step();
    reset();
    return row ? Status{} : fail(std::move(row).error());
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* bytes = sqlite3_column_text(statement_.get(), column);
    const auto count = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return bytes == nullptr ? "" : std::string(reinterpret_cast<const char*>(bytes), count);
}

void Database::Closer::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, int patience_ms) {
    sqlite3* raw = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    std::unique_ptr<Database> database(new Database(path, raw));
    if (raw == nullptr)
        return fail(Error(ENOMEM, "open " + path));
    if (code != SQLITE_OK)
        return fail(database->error("open"));
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, patience_ms);
    return database;
}

Status Database::execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
        return fail(error("read or write"));
    return {};
}

Result<Statement> Database::prepare(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql, -1, &statement, nullptr) != SQLITE_OK)
        return fail(error("read"));
    return Statement(*this, statement);
}

Result<std::int64_t> Database::number(const char* sql) const {
    BULKHEAD_TRY_VALUE(statement, prepare(sql));
    BULKHEAD_TRY_VALUE(row, statement.step());
    return row ? statement.number(0) : 0;
}

std::int64_t Database::changed() const {
    return sqlite3_changes(database_.get());
}

Error Database::error(const std::string& doing) const {
    return explain(sqlite3_extended_errcode(database_.get()), sqlite3_system_errno(database_.get()),
                   path_, sqlite3_errmsg(database_.get()), doing);
}

Result<Transaction> Transaction::begin(Database& database) {
    BULKHEAD_TRY(database.execute("BEGIN IMMEDIATE"));
    return Transaction(database);
}

Transaction::~Transaction() {
    if (database_ != nullptr)
        (void)database_->execute("ROLLBACK");
}

Status Transaction::commit() {
    BULKHEAD_TRY(database_->execute("COMMIT"));
    database_ = nullptr;
    return {};
}

}  // namespace bulkhead::ledger
