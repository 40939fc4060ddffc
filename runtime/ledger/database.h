// SQLite as this project uses it: values in, values out, failures as what a person can do about
// them. Nothing here throws.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loader/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bulkhead::ledger {

class Database;

// One SQL statement, prepared once. Parameters and columns count from 0.
class Statement {
public:
    Statement& bind(int place, std::int64_t value);
    Statement& bind(int place, std::string_view value);

    // True: there is a row.
    Result<bool> step();
    // Runs it to its end, and makes it ready for other values.
    Status run();
    void reset();

    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string text(int column) const;

private:
    friend class Database;
    struct Finalizer {
        void operator()(sqlite3_stmt* statement) const;
    };

    Statement(const Database& database, sqlite3_stmt* statement)
        : database_(&database), statement_(statement) {}

    const Database* database_;
    std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

class Database {
public:
    // Makes the file when it is not there. Waits as long as `patience_ms` for another writer.
    static Result<std::unique_ptr<Database>> open(const std::string& path, int patience_ms);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database() = default;

    Status execute(const char* sql);
    Result<Statement> prepare(const char* sql) const;
    // The one number of a query without parameters.
    Result<std::int64_t> number(const char* sql) const;
    // Rows that the last statement changed.
    [[nodiscard]] std::int64_t changed() const;

    // What went wrong last, with what to do about it.
    [[nodiscard]] Error error(const std::string& doing) const;

private:
    struct Closer {
        void operator()(sqlite3* database) const;
    };

    Database(std::string path, sqlite3* database) : path_(std::move(path)), database_(database) {}

    std::string path_;
    std::unique_ptr<sqlite3, Closer> database_;
};

// BEGIN IMMEDIATE until commit(); rolled back by the destructor unless that succeeded.
class Transaction {
public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept : database_(other.database_) {
        other.database_ = nullptr;
    }
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    Status commit();

private:
    explicit Transaction(Database& database) : database_(&database) {}

    Database* database_;
};

}  // namespace bulkhead::ledger
