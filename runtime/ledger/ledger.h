// The ledger: what ended environments used, each life once, in SQLite (docs/metering.md has the
// schema). Whoever opens it waits at most some seconds for another writer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "runtime/json.h"
#include "runtime/ledger/database.h"
#include "runtime/ledger/life.h"

namespace bulkhead::ledger {

inline constexpr std::int64_t kSchemaVersion = 2;
inline constexpr int kPatienceMs = 5000;

// What one life used up to a moment: its end, or, while it runs, the reading at a period's edge.
struct Entry {
    Life life;
    std::string environment;
    std::uint64_t started_unix_ns = 0;
    std::uint64_t until_unix_ns = 0;
    Json document;  // of a receipt: to_json(Receipt); of a reading: to_json(Usage)
};

// What an exec used, of which all is in the receipt of its environment, too.
struct ExecEntry {
    std::uint64_t number = 0;
    Entry receipt;
};

// Sums of every number of all receipts of environments, by its path in the document: "cpu.user_ns".
using Totals = std::map<std::string, unsigned __int128>;

// Beside them: since when they count, in nanoseconds since 1970. It never moves.
inline constexpr std::string_view kBegan = "began_unix_ns";

struct Filter {
    std::string environment;                     // empty: all
    std::optional<std::uint64_t> since_unix_ns;  // ended then or later
    std::optional<std::uint64_t> until_unix_ns;  // ended before
};

class Ledger {
public:
    // Makes it when it is not there. The errors are for people: locked, damaged, from a newer
    // version, full disk; each says what to do.
    static Result<Ledger> open(const std::string& directory, int patience_ms = kPatienceMs);

    // All of them or none, durable when it returns. Those that are there already stay as they are.
    // Returns how many were new.
    Result<std::size_t> store(std::span<const Entry> receipts,
                              std::span<const ExecEntry> execs = {});

    // In the order of their ends.
    Result<std::vector<Entry>> receipts(const Filter& filter) const;
    Result<std::vector<Entry>> exec_receipts(const Filter& filter) const;
    Result<Totals> totals() const;
    Result<std::uint64_t> count() const;
    // Of one load of the programs: the serials whose receipts are here.
    Result<std::vector<std::uint32_t>> stored_serials(const std::string& boot,
                                                      std::uint64_t loaded_ns) const;

    // Which of `serials` are among these: what a reader of many asks.
    Result<std::vector<std::uint32_t>> stored_among(const std::string& boot,
                                                    std::uint64_t loaded_ns,
                                                    std::span<const std::uint32_t> serials) const;

    // Readings of running environments, for bills of periods that they outlive. As store().
    Status note(std::span<const Entry> readings);
    // When the last was noted; 0: never.
    Result<std::uint64_t> last_noted_unix_ns() const;
    // For each life the last reading before that moment.
    Result<std::vector<Entry>> readings_before(std::uint64_t unix_ns) const;

private:
    explicit Ledger(std::unique_ptr<Database> database) : database_(std::move(database)) {}

    Status note_begin();
    Status add_to_totals(const Totals& sums);
    Result<std::size_t> insert_execs(std::span<const ExecEntry> execs);
    Result<std::vector<Entry>> receipts_in(const char* query, const Filter& filter) const;

    std::unique_ptr<Database> database_;
};

// Every whole number in `document`, by its path, added to `sums`.
void add_numbers(const Json& document, Totals& sums);

}  // namespace bulkhead::ledger
