// Periods, prices and bills: whole numbers that add up, however a life is cut.
#include "runtime/ledger/bill.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "runtime/clock.h"
#include "runtime/ledger/instant.h"
#include "tests/unit/json_print.h"

namespace bulkhead::ledger {
namespace {

constexpr std::uint64_t kNow = 1'764'000'000'000'000'000;
constexpr std::uint64_t kHourNs = 3'600'000'000'000;

std::string begin_of(const char* period) {
    const auto parsed = parse_period(period, kNow);
    return parsed ? runtime::rfc3339(parsed->begin_unix_ns).substr(0, 19) : parsed.error().what();
}

std::uint64_t hours_in(const std::string& period) {
    const auto parsed = parse_period(period, kNow);
    return parsed ? (parsed->end_unix_ns - parsed->begin_unix_ns) / kHourNs : 0;
}

TEST(Period, OfTheCalendarIsUtc) {
    EXPECT_EQ(begin_of("2026"), "2026-01-01T00:00:00");
    EXPECT_EQ(begin_of("2026-11"), "2026-11-01T00:00:00");
    EXPECT_EQ(begin_of("2026-11-24"), "2026-11-24T00:00:00");
    EXPECT_EQ(hours_in("2026"), 365U * 24);
    EXPECT_EQ(hours_in("2028"), 366U * 24);
    EXPECT_EQ(hours_in("2028-02"), 29U * 24);
}

TEST(Period, EndsWhereTheNextBegins) {
    const auto end = [](const char* period) { return parse_period(period, kNow)->end_unix_ns; };
    const auto begin = [](const char* period) { return parse_period(period, kNow)->begin_unix_ns; };
    EXPECT_EQ(end("2026-12"), begin("2027-01"));
    EXPECT_EQ(end("2026-12-31"), begin("2027-01-01"));
    EXPECT_EQ(end("2026"), begin("2027"));
    EXPECT_EQ(end("2026-W53"), begin("2027-W01"));
}

TEST(Period, WeeksAreThoseOfIso8601) {
    EXPECT_EQ(begin_of("2026-W01"), "2025-12-29T00:00:00");
    EXPECT_EQ(begin_of("2026-W53"), "2026-12-28T00:00:00");
    EXPECT_FALSE(parse_period("2025-W53", kNow)) << "that year has 52";
    EXPECT_FALSE(parse_period("2026-W00", kNow));
}

// A local month in which the clocks change has an hour more or less.
TEST(Period, OfTwoMomentsKnowsSummerTimeByTheirOffsets) {
    EXPECT_EQ(hours_in("2026-10-01T00:00:00+02:00/2026-11-01T00:00:00+01:00"), 31U * 24 + 1);
    EXPECT_EQ(hours_in("2026-03-01T00:00:00+01:00/2026-04-01T00:00:00+02:00"), 31U * 24 - 1);
    EXPECT_EQ(begin_of("2027-01-01T00:00:00+01:00/now"),
              "the period 2027-01-01T00:00:00+01:00/now "
              "ends before it begins");
    EXPECT_EQ(begin_of("2h/now").substr(0, 4), "2025");
}

TEST(Period, RefusesNonsense) {
    for (const char* text : {"", "26", "2026-13", "2026-00", "2026-02-30", "2026-1", "2026-11-24T",
                             "2026-11-24T25:00/now", "1969", "9999", "yesterday", "2026/", "/",
                             "2026-11-24T10:00:00+25:00/now"})
        EXPECT_FALSE(parse_period(text, kNow)) << text;
}

const std::string kPrices = R"(currency = "EUR"
digits = 4
[prices]
cpu = "0.036 per cpu-hour"
sent = "0.01 per GB"
wall = "0.001 per hour"
starts = "0.5 per thousand"
)";

Prices prices() {
    auto parsed = parse_prices("p.toml", kPrices);
    EXPECT_TRUE(parsed) << parsed.error().message();
    return parsed ? std::move(*parsed) : Prices{};
}

std::string mistake(const std::string& text) {
    const auto parsed = parse_prices("p.toml", text);
    return parsed ? "" : parsed.error().what();
}

TEST(Prices, NameEachMistakeWithLineAndColumn) {
    EXPECT_EQ(mistake("currency = \"EUR\"\n[prices]\ncpu = \"1 per GiB\"\n"),
              "p.toml:3:7: [prices] cpu: the unit GiB does not measure it; write \"0.045 per "
              "hour\"");
    EXPECT_EQ(mistake("currency = \"EUR\"\n[prices]\nsent = \"1 per Gib\"\n"),
              "p.toml:3:8: [prices] sent: the unit Gib does not measure it; did you mean "
              "\"GiB\"?; write \"0.01 per GiB\"");
    EXPECT_EQ(mistake("currency = \"EUR\"\n[prices]\ncpus = \"1 per hour\"\n"),
              "p.toml:3:1: [prices] has no quantity cpus; did you mean \"cpu\"?");
    EXPECT_EQ(
        mistake("[prices]\nwall = 3\nsent = \"1,5 per GB\"\n"),
        "p.toml:1:1: there is no currency: currency = \"EUR\"\n"
        "p.toml:2:8: [prices] wall: a text such as \"0.045 per hour\"\n"
        "p.toml:3:8: [prices] sent: \"1,5\" is no amount: digits, a point, at most nine more");
    EXPECT_NE(mistake("currency = "), "");
    for (const char* amount : {"", ".", "1.", ".5", "-1", "1e3", "0.1234567891", "9999999999999"})
        EXPECT_NE(mistake("currency = \"EUR\"\n[prices]\nwall = \"" + std::string(amount) +
                          " per hour\"\n"),
                  "")
            << amount;
}

TEST(Prices, RoundHalvesUp) {
    Price price = prices().prices[0];
    ASSERT_EQ(price.quantity->name, "cpu");
    price.nano_amount = 1'000'000'000;
    price.unit = 2;
    EXPECT_EQ(cost_of(1, price, 0), 1);
    EXPECT_EQ(cost_of(1, price, 1), 5);
    price.unit = 3;
    EXPECT_EQ(cost_of(1, price, 0), 0);
    EXPECT_EQ(cost_of(2, price, 0), 1);
    EXPECT_EQ(cost_of(1, price, 9), 333'333'333);
    EXPECT_EQ(cost_of(~0ULL, price, 9), INT64_MAX) << "no amount goes round";
    EXPECT_EQ(amount_text(5, 2), "0.05");
    EXPECT_EQ(amount_text(12345, 2), "123.45");
    EXPECT_EQ(amount_text(7, 0), "7");
}

// As of the hours of November 2026; `cpu_hours` of CPU time until then.
Entry reading(std::uint32_t serial, int started_hour, int until_hour, std::uint64_t cpu_hours) {
    const std::uint64_t november = parse_period("2026-11", kNow)->begin_unix_ns;
    const auto at = [&](int hour) {
        return november + static_cast<std::uint64_t>(static_cast<std::int64_t>(hour) *
                                                     static_cast<std::int64_t>(kHourNs));
    };
    return {.life = {"boot", 1, serial},
            .environment = "web",
            .started_unix_ns = at(started_hour),
            .until_unix_ns = at(until_hour),
            .document = {{"cpu", {{"total_ns", cpu_hours * kHourNs}}},
                         {"network", {{"sent_bytes", 1'000'000'000}}}}};
}

const BillItem& item(const BillLine& line, std::string_view name) {
    for (const BillItem& one : line.items)
        if (one.price->quantity->name == name)
            return one;
    ADD_FAILURE() << name;
    return line.items.front();
}

TEST(Bill, OfALifeWithinThePeriodIsItsReceipt) {
    const Period november = *parse_period("2026-11", kNow);
    const Bill bill = make_bill(november, prices(),
                                {.before_begin = {},
                                 .noted = {reading(1, 0, 5, 1)},
                                 .ended = {reading(1, 0, 10, 2)},
                                 .running = {reading(1, 0, 11, 3)}});
    ASSERT_EQ(bill.lines.size(), 1U);
    EXPECT_EQ(bill.lines[0].standing, Standing::kEnded);
    EXPECT_EQ(item(bill.lines[0], "cpu").amount, 720);
    EXPECT_EQ(item(bill.lines[0], "sent").amount, 100);
    EXPECT_EQ(item(bill.lines[0], "wall").amount, 100);
    EXPECT_EQ(item(bill.lines[0], "starts").amount, 5);
    EXPECT_EQ(bill.amount, 925);
}

// October's bill and November's and December's are together the receipt's.
TEST(Bill, OfConsecutivePeriodsAddsUp) {
    const Entry at_november = reading(1, -5, -1, 3);
    const Entry at_december = reading(1, -5, 30 * 24 - 1, 40);
    const Entry end = reading(1, -5, 31 * 24, 41);
    const auto bill_of = [&](const char* month, std::vector<Entry> before, std::vector<Entry> noted,
                             std::vector<Entry> ended) {
        return make_bill(*parse_period(month, kNow), prices(),
                         {.before_begin = std::move(before),
                          .noted = std::move(noted),
                          .ended = std::move(ended),
                          .running = {}});
    };
    const Bill october = bill_of("2026-10", {}, {at_november}, {});
    const Bill november = bill_of("2026-11", {at_november}, {at_december}, {});
    const Bill december = bill_of("2026-12", {at_december}, {at_december}, {end});
    const Bill january = bill_of("2027-01", {at_december}, {at_december}, {});
    ASSERT_EQ(october.lines.size() + november.lines.size() + december.lines.size(), 3U);
    EXPECT_TRUE(january.lines.empty()) << "it had ended";
    const auto used = [](const Bill& bill, const char* name) {
        return *item(bill.lines[0], name).used;
    };
    EXPECT_EQ(used(october, "cpu"), 3 * kHourNs);
    EXPECT_EQ(used(november, "cpu"), 37 * kHourNs);
    EXPECT_EQ(used(december, "cpu"), 1 * kHourNs);
    for (const char* name : {"wall", "starts", "sent"}) {
        const Bill whole = bill_of("2026-10/2027-01", {}, {}, {});
        EXPECT_TRUE(whole.lines.empty());
        EXPECT_EQ(used(october, name) + used(november, name) + used(december, name),
                  name == std::string("wall")     ? (31 * 24 + 5) * kHourNs
                  : name == std::string("starts") ? 1
                                                  : 1'000'000'000)
            << name;
    }
}

// What each period's receipt has, is together what the receipt of the end has.
TEST(Period, ReceiptsOfConsecutiveOnesAddUp) {
    const Entry at_december = reading(1, 0, 30 * 24 - 1, 40);
    const Entry end = reading(1, 0, 31 * 24, 41);
    const Bill november = make_bill(*parse_period("2026-11", kNow), unpriced(),
                                    {.before_begin = {},
                                     .noted = {at_december},
                                     .ended = {},
                                     .running = {reading(2, 0, 1, 1)}});
    const Bill december = make_bill(
        *parse_period("2026-12", kNow), unpriced(),
        {.before_begin = {at_december}, .noted = {at_december}, .ended = {end}, .running = {}});
    const Json first = period_json(november), last = period_json(december);
    EXPECT_EQ(first["from"], "2026-11-01T00:00:00.000000000Z");
    EXPECT_EQ(first["until"], last["from"]);
    ASSERT_EQ(first["receipts"].items().size(), 2U);
    ASSERT_EQ(last["receipts"].items().size(), 1U);
    const Json &mine = first["receipts"][0], &rest = last["receipts"][0];
    EXPECT_EQ(mine["standing"], "running");
    EXPECT_EQ(rest["standing"], "ended");
    EXPECT_EQ(mine["life"]["serial"], 1);
    for (const auto& [path, whole] :
         std::map<std::string, std::uint64_t>{{"cpu.total_ns", 41 * kHourNs},
                                              {"network.sent_bytes", 1'000'000'000},
                                              {"wall_ns", 31 * 24 * kHourNs},
                                              {"starts", 1}})
        EXPECT_EQ(*mine.find_path(path)->number() + *rest.find_path(path)->number(), whole) << path;
    EXPECT_TRUE(mine["memory"]["byte_seconds"].is_null()) << "it was not metered";

    const std::string csv = period_csv(november);
    EXPECT_TRUE(
        csv.starts_with("environment,started,until,standing,boot,loaded_ns,serial,"
                        "cpu.total_ns,memory.byte_seconds,"))
        << csv;
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
    EXPECT_NE(period_text(november).find("144000000000000"), std::string::npos)
        << period_text(november);
}

TEST(Bill, SumsAddUpInEveryForm) {
    std::vector<Entry> ended;
    for (std::uint32_t serial = 1; serial <= 50; ++serial) {
        ended.push_back(reading(serial, 0, static_cast<int>(serial), serial));
        ended.back().document["cpu"]["total_ns"] = serial * 7'777'777'777ULL;
    }
    const Bill bill =
        make_bill(*parse_period("2026-11", kNow), prices(),
                  {.before_begin = {}, .noted = {}, .ended = std::move(ended), .running = {}});
    std::int64_t sum = 0;
    for (const BillLine& line : bill.lines) {
        std::int64_t items = 0;
        for (const BillItem& one : line.items)
            items += one.amount;
        EXPECT_EQ(items, line.amount);
        sum += line.amount;
    }
    EXPECT_EQ(sum, bill.amount);
    EXPECT_EQ(bill_json(bill)["amount"], amount_text(sum, 4));
    EXPECT_EQ(bill_json(bill)["lines"].items().size(), 50U);
    EXPECT_NE(bill_text(bill).find("total"), std::string::npos);
    const std::string csv = bill_csv(bill);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 50 * 4);
}

TEST(Bill, ShowsWhatWasNotMetered) {
    auto with_memory =
        parse_prices("p", "currency = \"EUR\"\n[prices]\nmemory = \"1 per GiB-hour\"\n");
    ASSERT_TRUE(with_memory) << with_memory.error().message();
    Readings readings{
        .before_begin = {}, .noted = {}, .ended = {reading(1, 0, 1, 1)}, .running = {}};
    const Bill none = make_bill(*parse_period("2026-11", kNow), *with_memory, readings);
    EXPECT_NE(bill_text(none).find("not metered"), std::string::npos);
    EXPECT_TRUE(bill_json(none)["lines"][0]["items"][0]["used"].is_null());
    readings.ended[0].document["memory"]["byte_seconds"] = 3600ULL << 30;
    EXPECT_EQ(make_bill(*parse_period("2026-11", kNow), *with_memory, readings).amount, 1'000'000);
}

}  // namespace
}  // namespace bulkhead::ledger
