// The ledger: each life once, whatever is stored how often; and what it says when it cannot.
#include "runtime/ledger/ledger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "runtime/ledger/bill.h"
#include "runtime/receipts_drain.h"
#include "tests/unit/json_print.h"
#include "tests/unit/ledger_support.h"

namespace bulkhead::tests {
namespace {

using ledger::Database;
using ledger::Ledger;
using runtime::drain;

void append_all(const std::string& directory, std::initializer_list<std::uint32_t> serials) {
    for (const std::uint32_t serial : serials) {
        const auto done = ledger::append(directory, ended(serial));
        ASSERT_TRUE(done) << done.error().message();
    }
}

std::uint64_t total(const Ledger& ledger, const std::string& path) {
    const auto totals = ledger.totals();
    return totals && totals->contains(path) ? static_cast<std::uint64_t>(totals->at(path)) : 0;
}

void execute(const std::string& path, const char* sql) {
    auto database = Database::open(path, 0);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->execute(sql));
}

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Ledger, StoresWhatWasAppended) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {3, 1, 2});
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger) << ledger.error().message();
    EXPECT_EQ(drain(*ledger, place.path())->stored, 3U);
    EXPECT_FALSE(ledger::has_pending(place.path()));
    const auto receipts = ledger->receipts({});
    ASSERT_EQ(receipts->size(), 3U);
    EXPECT_EQ((*receipts)[0].environment, "env-1") << "in the order of their ends";
    EXPECT_EQ((*receipts)[2].started_unix_ns, kBootUnixNs + 10 * kSecondNs);
    EXPECT_EQ((*receipts)[2].until_unix_ns, kBootUnixNs + 13 * kSecondNs);
    EXPECT_EQ((*receipts)[2].document["cpu"]["total_ns"], 3'000'000);
    EXPECT_EQ((*receipts)[2].document["exact"], true);
    EXPECT_EQ((*receipts)[2].life, ended(3).life);
}

TEST(Ledger, CountsALifeOnceHoweverOftenItIsStored) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    append_all(place.path(), {1, 2, 1});
    EXPECT_EQ(drain(*ledger, place.path())->stored, 2U);
    append_all(place.path(), {2, 3});
    EXPECT_EQ(drain(*ledger, place.path())->stored, 1U);
    EXPECT_EQ(*ledger->count(), 3U);
    EXPECT_EQ(total(*ledger, "cpu.total_ns"), 6'000'000U);
    EXPECT_EQ(total(*ledger, "network.sent_bytes"), 60U);
    EXPECT_EQ(*ledger->stored_serials(ended(1).life.boot, 77),
              (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST(Ledger, KeepsExecsApartOnceEach) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {2});
    for (const std::uint32_t serial : {2U, 1U, 2U})
        ASSERT_TRUE(ledger::append(place.path(), ended_exec(serial)));
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    EXPECT_EQ(drain(*ledger, place.path())->stored, 3U);
    EXPECT_EQ(ledger->count().value(), 1U) << "an environment's receipt has what its execs used";
    EXPECT_EQ(total(*ledger, "cpu.total_ns"), 2'000'000U);
    const auto execs = ledger->exec_receipts({});
    ASSERT_EQ(execs->size(), 2U);
    EXPECT_EQ((*execs)[0].environment, "env-1") << "in the order of their ends";
    EXPECT_EQ((*execs)[1].document["exec"], 2);
    EXPECT_EQ((*execs)[1].document["command"], "sh");
    EXPECT_EQ((*execs)[1].document["cpu"]["total_ns"], 2'000'000);
    EXPECT_EQ((*execs)[1].document["exit"]["code"], 3);
    EXPECT_EQ((*execs)[1].document["io"]["written_bytes"], 4096);
    EXPECT_EQ((*execs)[1].document["cpu"]["waits"][3]["count"], 5);
    EXPECT_EQ((*execs)[1].document["cpu"]["preempted"]["by_host"], 7);
    EXPECT_EQ((*execs)[1].document["cpu"]["nice_ns"], 4'000'000);
    EXPECT_EQ((*execs)[1].document["network"]["sent_bytes"], 680);
    EXPECT_EQ((*execs)[1].document["network"]["sent_packets"], 7);
    EXPECT_EQ((*execs)[1].document["network"]["ipv6"]["sent_bytes"], 80);
    EXPECT_EQ((*execs)[1].document["network"]["received_bytes"], 0);
    EXPECT_TRUE((*execs)[1].document["memory"]["peak_bytes"].is_null())
        << "not metered for an exec";
    EXPECT_EQ((*execs)[1].started_unix_ns, kBootUnixNs + 11 * kSecondNs);
    EXPECT_EQ((*execs)[1].until_unix_ns, kBootUnixNs + 12 * kSecondNs);
    EXPECT_EQ(
        ledger->exec_receipts({.environment = "env-2", .since_unix_ns = {}, .until_unix_ns = {}})
            ->size(),
        1U);
}

TEST(Ledger, TakesOverAFileOfTheFirstVersion) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {1});
    {
        auto ledger = Ledger::open(place.path());
        ASSERT_TRUE(drain(*ledger, place.path()));
    }
    execute(place.file("ledger.db"), "DROP TABLE exec_receipts; PRAGMA user_version = 1");
    ASSERT_TRUE(ledger::append(place.path(), ended_exec(1)));
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger) << ledger.error().message();
    EXPECT_EQ(drain(*ledger, place.path())->stored, 1U);
    EXPECT_EQ(ledger->count().value(), 1U);
    EXPECT_EQ(ledger->exec_receipts({})->size(), 1U);
}

TEST(Ledger, TellsBootsAndLoadsApart) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    ledger::Ended one = ended(1);
    ASSERT_TRUE(ledger::append(place.path(), one));
    one.life.loaded_ns = 78;  // unloaded and loaded again: serials begin anew
    ASSERT_TRUE(ledger::append(place.path(), one));
    one.life.boot = "99999999-2222-3333-4444-555555555555";
    ASSERT_TRUE(ledger::append(place.path(), one));
    EXPECT_EQ(drain(*ledger, place.path())->stored, 3U);
}

TEST(Ledger, FiltersByNameAndEnd) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    append_all(place.path(), {1, 2, 3});
    ASSERT_TRUE(drain(*ledger, place.path()));
    const std::uint64_t end_of_2 = kBootUnixNs + 12 * kSecondNs;
    EXPECT_EQ(ledger->receipts({.environment = "env-2", .since_unix_ns = {}, .until_unix_ns = {}})
                  ->size(),
              1U);
    EXPECT_EQ(ledger->receipts({.environment = {}, .since_unix_ns = end_of_2, .until_unix_ns = {}})
                  ->size(),
              2U);
    EXPECT_EQ(ledger->receipts({.environment = {}, .since_unix_ns = {}, .until_unix_ns = end_of_2})
                  ->size(),
              1U);
}

// 300 years of CPU time in nanoseconds do not fit into a number of SQLite.
TEST(Ledger, SumsBeyond63Bits) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    constexpr std::uint64_t kMuch = 9'000'000'000'000'000'000;
    for (std::uint32_t serial = 1; serial <= 3; ++serial) {
        ledger::Ended one = ended(serial);
        one.reading.usage.cpu_ns = kMuch;
        ASSERT_TRUE(ledger::append(place.path(), one));
        ASSERT_TRUE(drain(*ledger, place.path()));
    }
    EXPECT_EQ(ledger->totals()->at("cpu.total_ns"), static_cast<unsigned __int128>(kMuch) * 3);
}

TEST(Pending, PassesOverWhatIsTorn) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {1});
    const std::string whole = read_all(place.file("pending"));
    for (const std::size_t kept : {std::size_t{1}, std::size_t{20}, whole.size() - 1}) {
        std::ofstream(place.file("pending"), std::ios::binary) << whole.substr(0, kept);
        append_all(place.path(), {2});
        auto taken = ledger::Taken::take(place.path());
        ASSERT_TRUE(taken);
        ASSERT_EQ(taken->readings().size(), 1U) << kept << " bytes of the first";
        EXPECT_EQ(taken->readings()[0].life.serial, 2U);
        ASSERT_TRUE(taken->done());
    }
}

TEST(Pending, KeepsWhatAnotherVersionLeft) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {1});
    std::string bytes = read_all(place.file("pending"));
    constexpr std::size_t kPlaceOfTheVersion = 20;
    bytes[kPlaceOfTheVersion] = 99;
    std::ofstream(place.file("pending"), std::ios::binary) << bytes;
    append_all(place.path(), {2});
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    const auto drained = drain(*ledger, place.path());
    ASSERT_TRUE(drained) << drained.error().message();
    EXPECT_EQ(drained->stored, 1U);
    EXPECT_EQ(drained->foreign, 1U);
    EXPECT_EQ(read_all(place.file("pending")), bytes);
}

// No disk of ours can be filled; a limit on the size of files fails in the same way.
TEST(Pending, IsWholeOrUntouchedOnAFullDisk) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {1});
    const auto size = std::filesystem::file_size(place.file("pending"));
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit little{size + 100, size + 100};
        ::setrlimit(RLIMIT_FSIZE, &little);
        const auto done = ledger::append(place.path(), ended(2));
        ::_exit(!done && done.error().remedy().find("make room") != std::string::npos ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(std::filesystem::file_size(place.file("pending")), size);
}

TEST(Ledger, SaysThatItIsLockedAndStoresLater) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path(), 0);
    ASSERT_TRUE(ledger);
    append_all(place.path(), {1});
    {
        auto other = Database::open(place.file("ledger.db"), 0);
        ASSERT_TRUE((*other)->execute("BEGIN IMMEDIATE"));
        const auto refused = drain(*ledger, place.path());
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().message().find("locked by another program"), std::string::npos);
        EXPECT_NE(refused.error().remedy().find("nothing is lost"), std::string::npos);
    }
    EXPECT_EQ(drain(*ledger, place.path())->stored, 1U);
}

TEST(Ledger, SaysThatItIsDamagedAndLeavesIt) {
    const LedgerDirectory place("ledger");
    append_all(place.path(), {1});
    std::ofstream(place.file("ledger.db")) << std::string(8192, 'x');
    const auto refused = Ledger::open(place.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("damaged"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(read_all(place.file("ledger.db")), std::string(8192, 'x'));
    EXPECT_TRUE(ledger::has_pending(place.path()));
}

TEST(Ledger, RefusesANewerVersionAndAnotherProgramsFile) {
    const LedgerDirectory place("ledger");
    ASSERT_TRUE(Ledger::open(place.path()));
    execute(place.file("ledger.db"), "PRAGMA user_version = 3");
    auto refused = Ledger::open(place.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("newer bulkhead: its schema is 3"), std::string::npos);
    execute(place.file("ledger.db"), "PRAGMA user_version = 2; PRAGMA application_id = 5");
    refused = Ledger::open(place.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("no ledger"), std::string::npos);
}

TEST(Ledger, KeepsTheLastReadingBeforeAMoment) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    ledger::Entry reading = runtime::to_entry(ended(1));
    for (const std::uint64_t second : {100, 200, 300}) {
        reading.until_unix_ns = second;
        ASSERT_TRUE(ledger->note({&reading, 1}));
    }
    EXPECT_EQ(*ledger->last_noted_unix_ns(), 300U);
    ASSERT_EQ(ledger->readings_before(300)->size(), 1U);
    EXPECT_EQ((*ledger->readings_before(300))[0].until_unix_ns, 200U);
    EXPECT_TRUE(ledger->readings_before(100)->empty());
}

// What a life had used of CPU time at the hours of a clock, as noted, and at its end.
struct Noted {
    int hour;
    std::uint64_t cpu_ms;
};

std::uint64_t unix_ns_at(double hour) {
    return kBootUnixNs + static_cast<std::uint64_t>(hour * 3600) * kSecondNs;
}

// As bills of consecutive periods, which end at these hours, have it.
std::vector<std::uint64_t> billed_ms(const std::vector<Noted>& noted, Noted end,
                                     const std::vector<double>& edges) {
    const LedgerDirectory place("clock");
    auto ledger = Ledger::open(place.path());
    ledger::Entry entry = runtime::to_entry(ended(1));
    const auto at = [&](Noted one) {
        entry.until_unix_ns = unix_ns_at(one.hour);
        entry.document = {{"cpu", {{"total_ns", one.cpu_ms * 1'000'000}}}};
        return std::span<const ledger::Entry>(&entry, 1);
    };
    for (const Noted& one : noted)
        EXPECT_TRUE(ledger->note(at(one)));
    EXPECT_TRUE(ledger->store(at(end)));
    std::vector<std::uint64_t> billed;
    std::uint64_t from = 0;
    for (const double edge : edges) {
        const ledger::Period period{from, unix_ns_at(edge)};
        const ledger::Bill bill = ledger::make_bill(
            period, ledger::unpriced(),
            {.before_begin = *ledger->readings_before(period.begin_unix_ns),
             .noted = *ledger->readings_before(period.end_unix_ns),
             .ended = *ledger->receipts({"", period.begin_unix_ns, period.end_unix_ns}),
             .running = {}});
        billed.push_back(0);
        for (const ledger::BillLine& line : bill.lines)
            for (const ledger::BillItem& item : line.items)
                if (item.price->quantity->path == std::string("cpu.total_ns"))
                    billed.back() += item.used.value_or(0) / 1'000'000;
        from = period.end_unix_ns;
    }
    return billed;
}

TEST(Ledger, BillsEachUseOnceWhereTheClockIsSetForwardAndBack) {
    using Used = std::vector<std::uint64_t>;
    const std::vector<double> edges = {1.5, 2.5, 4.5, 6.5};
    EXPECT_EQ(billed_ms({{1, 10}, {2, 20}}, {3, 60}, edges), (Used{10, 10, 40, 0}));
    EXPECT_EQ(billed_ms({{1, 10}, {4, 20}}, {5, 60}, edges), (Used{10, 0, 10, 40})) << "forward";
    EXPECT_EQ(billed_ms({{1, 10}, {4, 20}, {2, 30}}, {5, 60}, edges), (Used{10, 20, 0, 30}))
        << "forward and back";
    EXPECT_EQ(billed_ms({{4, 10}, {1, 20}}, {2, 60}, edges), (Used{20, 40, 0, 0})) << "back";
    EXPECT_EQ(billed_ms({{2, 10}}, {1, 60}, edges), (Used{60, 0, 0, 0}))
        << "back to before the start";
}

TEST(Ledger, KeepsSinceWhenTheSumsCount) {
    const LedgerDirectory place("ledger");
    auto ledger = Ledger::open(place.path());
    ASSERT_TRUE(ledger);
    const auto store = [&](std::uint32_t serial, std::uint64_t started_unix_ns) {
        ledger::Entry receipt = runtime::to_entry(ended(serial));
        receipt.started_unix_ns = started_unix_ns;
        EXPECT_TRUE(ledger->store({&receipt, 1}));
        return total(*ledger, std::string(ledger::kBegan));
    };
    EXPECT_TRUE(ledger->store({}));
    EXPECT_EQ(total(*ledger, std::string(ledger::kBegan)), 0U);
    EXPECT_EQ(store(1, kBootUnixNs), kBootUnixNs);
    EXPECT_EQ(store(2, kBootUnixNs - kSecondNs), kBootUnixNs) << "it ended later";
}

}  // namespace
}  // namespace bulkhead::tests
