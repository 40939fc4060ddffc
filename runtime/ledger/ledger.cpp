#include "runtime/ledger/ledger.h"

#include <algorithm>

#include "runtime/ledger/pending.h"
#include "runtime/ledger/schema.h"

namespace bulkhead::ledger {
namespace {

using Wide = unsigned __int128;

// SQLite's numbers have 63 bits: 292 years of CPU time in nanoseconds, which a large machine uses
// up within two. A total is two numbers.
constexpr std::uint64_t kCarry = 1'000'000'000'000'000'000;

std::int64_t signed_of(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

// The clock was set back since: of what a life used there is nothing after its end, and no less at
// a later moment.
constexpr const char* kForgetLater =
    "DELETE FROM readings WHERE boot = ? AND loaded_ns = ? AND serial = ? AND noted_ns > ?";

void bind_life(Statement& statement, const Life& life) {
    statement.bind(0, life.boot)
        .bind(1, signed_of(life.loaded_ns))
        .bind(2, std::int64_t{life.serial});
}

// Columns: boot, loaded_ns, serial, environment, started_ns, until, document.
Entry entry_of(const Statement& row) {
    return {.life = {row.text(0), static_cast<std::uint64_t>(row.number(1)),
                     static_cast<std::uint32_t>(row.number(2))},
            .environment = row.text(3),
            .started_unix_ns = static_cast<std::uint64_t>(row.number(4)),
            .until_unix_ns = static_cast<std::uint64_t>(row.number(5)),
            .document = Json::parse(row.text(6)).value_or(Json())};
}

Result<std::vector<Entry>> all_rows(Statement statement) {
    std::vector<Entry> entries;
    while (true) {
        BULKHEAD_TRY_VALUE(row, statement.step());
        if (!row)
            return entries;
        entries.push_back(entry_of(statement));
    }
}

void add_numbers_below(const std::string& path, const Json& node, Totals& sums) {
    if (const auto number = node.number())
        sums[path] += *number;
    const std::string begin = path.empty() ? "" : path + ".";
    const auto add_below = [&](const std::string& name, const Json& value) {
        std::string below = begin;
        add_numbers_below(below.append(name), value, sums);
    };
    for (const auto& [key, value] : node.members())
        add_below(key, value);
    for (std::size_t i = 0; i < node.items().size(); ++i)
        add_below(std::to_string(i), node[i]);
}

}  // namespace

void add_numbers(const Json& document, Totals& sums) {
    add_numbers_below("", document, sums);
}

Result<Ledger> Ledger::open(const std::string& directory, int patience_ms) {
    BULKHEAD_TRY(make_directory(directory));
    auto database = Database::open(directory + "/ledger.db", patience_ms);
    if (!database)
        return fail(std::move(database).error());
    BULKHEAD_TRY(prepare_schema(**database, directory + "/ledger.db"));
    return Ledger(std::move(*database));
}

Result<std::size_t> Ledger::insert_execs(std::span<const ExecEntry> execs) {
    std::size_t added = 0;
    if (execs.empty())
        return added;
    auto insert = database_->prepare(
        "INSERT INTO exec_receipts (boot, loaded_ns, serial, exec, environment, started_ns,"
        " ended_ns, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    if (!insert)
        return fail(std::move(insert).error());
    for (const auto& [number, receipt] : execs) {
        bind_life(*insert, receipt.life);
        insert->bind(3, signed_of(number))
            .bind(4, receipt.environment)
            .bind(5, signed_of(receipt.started_unix_ns))
            .bind(6, signed_of(receipt.until_unix_ns))
            .bind(7, receipt.document.compact());
        BULKHEAD_TRY(insert->run());
        added += database_->changed() != 0 ? 1 : 0;
    }
    return added;
}

Result<std::size_t> Ledger::store(std::span<const Entry> receipts,
                                  std::span<const ExecEntry> execs) {
    auto transaction = Transaction::begin(*database_);
    if (!transaction)
        return fail(std::move(transaction).error());
    auto insert = database_->prepare(
        "INSERT INTO receipts (boot, loaded_ns, serial, environment, started_ns, ended_ns, "
        "document)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    auto forget = database_->prepare(kForgetLater);
    if (!insert || !forget)
        return fail(std::move(insert ? forget : insert).error());
    BULKHEAD_TRY_VALUE(added, insert_execs(execs));
    Totals sums;
    for (const Entry& receipt : receipts) {
        bind_life(*insert, receipt.life);
        insert->bind(3, receipt.environment)
            .bind(4, signed_of(receipt.started_unix_ns))
            .bind(5, signed_of(receipt.until_unix_ns))
            .bind(6, receipt.document.compact());
        BULKHEAD_TRY(insert->run());
        if (database_->changed() == 0)
            continue;
        ++added;
        add_numbers(receipt.document, sums);
        bind_life(*forget, receipt.life);
        BULKHEAD_TRY(forget->bind(3, signed_of(receipt.until_unix_ns)).run());
    }
    // Always something: only a commit that writes synchronises the WAL, and with it what somebody
    // wrote who was killed before doing so. What looks stored could be gone after a power cut.
    sums["batches"] += 1;
    BULKHEAD_TRY(add_to_totals(sums));
    BULKHEAD_TRY(note_begin());
    BULKHEAD_TRY(transaction->commit());
    return added;
}

// Once: what ends later may have started earlier.
Status Ledger::note_begin() {
    auto note = database_->prepare(
        "INSERT INTO totals (path, high, low) SELECT ?1, first / ?2, first % ?2"
        " FROM (SELECT min(started_ns) AS first FROM receipts) WHERE first IS NOT NULL");
    auto noted = database_->prepare("SELECT 1 FROM totals WHERE path = ?");
    if (!note || !noted)
        return fail(std::move(note ? noted : note).error());
    noted->bind(0, std::string(kBegan));
    BULKHEAD_TRY_VALUE(is_noted, noted->step());
    if (is_noted)
        return {};
    note->bind(0, std::string(kBegan)).bind(1, signed_of(kCarry));
    return note->run();
}

Status Ledger::add_to_totals(const Totals& sums) {
    auto add = database_->prepare(
        "INSERT INTO totals (path, high, low) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO UPDATE SET"
        " high = high + ?2 + (low + ?3) / ?4, low = (low + ?3) % ?4");
    if (!add)
        return fail(std::move(add).error());
    for (const auto& [path, sum] : sums) {
        add->bind(0, path)
            .bind(1, static_cast<std::int64_t>(sum / kCarry))
            .bind(2, static_cast<std::int64_t>(sum % kCarry))
            .bind(3, signed_of(kCarry));
        BULKHEAD_TRY(add->run());
    }
    return {};
}

Result<std::vector<Entry>> Ledger::receipts_in(const char* query, const Filter& filter) const {
    auto statement = database_->prepare(query);
    if (!statement)
        return fail(std::move(statement).error());
    statement->bind(0, filter.environment)
        .bind(1, signed_of(filter.since_unix_ns.value_or(0)))
        .bind(2, signed_of(filter.until_unix_ns.value_or(INT64_MAX)));
    return all_rows(std::move(*statement));
}

Result<std::vector<Entry>> Ledger::receipts(const Filter& filter) const {
    return receipts_in(
        "SELECT boot, loaded_ns, serial, environment, started_ns, ended_ns, document FROM receipts"
        " WHERE (?1 = '' OR environment = ?1) AND ended_ns >= ?2 AND ended_ns < ?3"
        " ORDER BY ended_ns, id",
        filter);
}

Result<std::vector<Entry>> Ledger::exec_receipts(const Filter& filter) const {
    return receipts_in(
        "SELECT boot, loaded_ns, serial, environment, started_ns, ended_ns, document"
        " FROM exec_receipts"
        " WHERE (?1 = '' OR environment = ?1) AND ended_ns >= ?2 AND ended_ns < ?3"
        " ORDER BY ended_ns, id",
        filter);
}

Result<Totals> Ledger::totals() const {
    auto query = database_->prepare("SELECT path, high, low FROM totals");
    if (!query)
        return fail(std::move(query).error());
    Totals totals;
    while (true) {
        BULKHEAD_TRY_VALUE(row, query->step());
        if (!row)
            return totals;
        totals[query->text(0)] = Wide{static_cast<std::uint64_t>(query->number(1))} * kCarry +
                                 static_cast<std::uint64_t>(query->number(2));
    }
}

Result<std::uint64_t> Ledger::count() const {
    BULKHEAD_TRY_VALUE(count, database_->number("SELECT count(*) FROM receipts"));
    return static_cast<std::uint64_t>(count);
}

Result<std::vector<std::uint32_t>> Ledger::stored_serials(const std::string& boot,
                                                          std::uint64_t loaded_ns) const {
    auto query = database_->prepare(
        "SELECT serial FROM receipts WHERE boot = ? AND loaded_ns = ?"
        " ORDER BY serial");
    if (!query)
        return fail(std::move(query).error());
    query->bind(0, boot).bind(1, signed_of(loaded_ns));
    std::vector<std::uint32_t> serials;
    while (true) {
        BULKHEAD_TRY_VALUE(row, query->step());
        if (!row)
            return serials;
        serials.push_back(static_cast<std::uint32_t>(query->number(0)));
    }
}

Result<std::vector<std::uint32_t>> Ledger::stored_among(
    const std::string& boot, std::uint64_t loaded_ns,
    std::span<const std::uint32_t> serials) const {
    auto query = database_->prepare(
        "SELECT 1 FROM receipts WHERE boot = ? AND loaded_ns = ? AND serial = ?");
    if (!query)
        return fail(std::move(query).error());
    std::vector<std::uint32_t> stored;
    for (const std::uint32_t serial : serials) {
        bind_life(*query, {boot, loaded_ns, serial});
        BULKHEAD_TRY_VALUE(row, query->step());
        if (row)
            stored.push_back(serial);
        query->reset();
    }
    return stored;
}

Status Ledger::note(std::span<const Entry> readings) {
    auto transaction = Transaction::begin(*database_);
    if (!transaction)
        return fail(std::move(transaction).error());
    auto insert = database_->prepare(
        "INSERT INTO readings (boot, loaded_ns, serial, environment, started_ns, noted_ns, "
        "document)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM receipts WHERE boot ="
        " ?1 AND loaded_ns = ?2 AND serial = ?3) ON CONFLICT DO NOTHING");
    auto forget = database_->prepare(kForgetLater);
    if (!insert || !forget)
        return fail(std::move(insert ? forget : insert).error());
    for (const Entry& reading : readings) {
        bind_life(*forget, reading.life);
        BULKHEAD_TRY(forget->bind(3, signed_of(reading.until_unix_ns)).run());
        bind_life(*insert, reading.life);
        insert->bind(3, reading.environment)
            .bind(4, signed_of(reading.started_unix_ns))
            .bind(5, signed_of(reading.until_unix_ns))
            .bind(6, reading.document.compact());
        BULKHEAD_TRY(insert->run());
    }
    return transaction->commit();
}

Result<std::uint64_t> Ledger::last_noted_unix_ns() const {
    BULKHEAD_TRY_VALUE(last, database_->number("SELECT max(noted_ns) FROM readings"));
    return static_cast<std::uint64_t>(last);
}

Result<std::vector<Entry>> Ledger::readings_before(std::uint64_t unix_ns) const {
    auto query = database_->prepare(
        "SELECT boot, loaded_ns, serial, environment, started_ns, max(noted_ns), document"
        " FROM readings WHERE noted_ns < ? GROUP BY boot, loaded_ns, serial");
    if (!query)
        return fail(std::move(query).error());
    query->bind(0, signed_of(unix_ns));
    return all_rows(std::move(*query));
}

}  // namespace bulkhead::ledger
