#include "runtime/budgets.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "runtime/budgets_record.h"
#include "runtime/explain.h"
#include "runtime/suggest.h"
#include "tests/unit/json_print.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kDayNs = 86400 * kSecondNs;

loader::BudgetTerms terms_of(const std::string& text) {
    const auto wanted = parse_budget(text);
    EXPECT_TRUE(wanted.has_value()) << text << ": " << wanted.error().message();
    return wanted && wanted->terms ? *wanted->terms : loader::BudgetTerms{};
}

TEST(Budgets, AreAnAmountInAPeriod) {
    const auto egress = parse_budget("egress=10G/1d");
    ASSERT_TRUE(egress.has_value());
    EXPECT_EQ(egress->kind, BH_BUDGET_EGRESS);
    EXPECT_EQ(egress->terms->amount, 10ULL << 30);
    EXPECT_EQ(egress->terms->period_ns, kDayNs);
    EXPECT_EQ(egress->terms->warn, BH_NEVER);
    EXPECT_EQ(egress->terms->on_exceed, BH_ON_REFUSE);
    EXPECT_EQ(terms_of("egress=1/day").period_ns, kDayNs);
    EXPECT_EQ(terms_of("processes=0/week").amount, 0U);
    EXPECT_EQ(terms_of("processes=100/90s").period_ns, 90 * kSecondNs);
}

TEST(Budgets, AmountsAreInTheUnitOfThePrograms) {
    EXPECT_EQ(terms_of("cpu=1h/1d").amount, 3600ULL * 1'000'000);
    EXPECT_EQ(terms_of("cpu=1500ms/1h").amount, 1'500'000U);
    EXPECT_EQ(terms_of("wall=8h/1d").amount, 8ULL * 3600 * 1000);
    EXPECT_EQ(terms_of("memory=1Gx2h/1d").amount, (1ULL << 18) * 7200);
    EXPECT_EQ(terms_of("memory=4Kx1500ms/1d").amount, 1U);
}

TEST(Budgets, WarnAtAShareAndAct) {
    const auto terms = terms_of("egress=10G/1d,warn=80%,on-warn=refuse,on-exceed=event");
    EXPECT_EQ(terms.warn, 8ULL << 30);
    EXPECT_EQ(terms.on_warn, BH_ON_REFUSE);
    EXPECT_EQ(terms.on_exceed, BH_ON_EVENT);
    EXPECT_EQ(terms_of("processes=10/1h,warn=75%").warn, 8U) << "rounded up";
    EXPECT_EQ(terms_of("processes=4503599627370495/1h,warn=99%").warn, 4458563631096791U);
}

TEST(Budgets, MayAskTheAgent) {
    EXPECT_EQ(terms_of("cpu=1h/1d,on-exceed=throttle").on_exceed, BH_ON_THROTTLE);
    EXPECT_EQ(terms_of("cpu=1h/1d,on-exceed=pause").on_exceed, BH_ON_PAUSE);
    EXPECT_EQ(terms_of("cpu=1h/1d,on-exceed=stop").on_exceed, BH_ON_STOP);
    EXPECT_EQ(terms_of("cpu=1h/1d,warn=80%,on-warn=throttle").on_warn, BH_ON_THROTTLE);
    EXPECT_EQ(terms_of("cpu=1h/1d,warn=80%,on-warn=pause").on_warn, BH_ON_PAUSE);
    EXPECT_EQ(terms_of("cpu=1h/1d,warn=80%,on-warn=stop").on_warn, BH_ON_STOP);
}

TEST(Budgets, UnlimitedIsNone) {
    const auto wanted = parse_budget("cpu=unlimited");
    ASSERT_TRUE(wanted.has_value());
    EXPECT_EQ(wanted->kind, BH_BUDGET_CPU);
    EXPECT_FALSE(wanted->terms.has_value());
}

std::string complaint(const std::string& text) {
    const auto parsed = parse_budget(text);
    if (parsed)
        return "";
    EXPECT_EQ(parsed.error().fault(), Fault::kUsage) << text;
    EXPECT_FALSE(parsed.error().remedy().empty()) << text;
    return parsed.error().message();
}

TEST(Budgets, MistakesAreNamed) {
    const auto names = [](const char* text, const char* what) {
        EXPECT_NE(complaint(text).find(what), std::string::npos) << text << ": " << complaint(text);
    };
    names("egress", "gives no amount");
    names("egres=1/1d", "did you mean \"egress\"");
    names("egress=10G", "has no period");
    names("egress=10X/1d", "is no number of bytes");
    names("processes=ten/1d", "is no number");
    names("processes=-1/1d", "is no number");
    names("cpu=5/1d", "is no time");
    names("cpu=99999999999999999d/1d", "is no time");
    names("memory=1G/1d", "is no memory times time");
    names("memory=1Gx/1d", "is no memory times time");
    names("memory=16777215Tx366d/1d", "is no memory times time");
    names("processes=4503599627370496/1d", "more than can be counted");
    names("egress=1G/0s", "is no period");
    names("egress=1G/999ms", "is no period");
    names("egress=1G/367d", "is no period");
    names("egress=1G/2day", "is no period");
    names("egress=1G/s", "is no period");
    names("egress=1G/", "is no period");
    names("egress=1G/1d,warn=0%", "is no share");
    names("egress=1G/1d,warn=100%", "is no share");
    names("egress=1G/1d,warn=80", "is no share");
    names("egress=1G/1d,on-exceed=explode", "is no action");
    names("egress=1G/1d,on-warn=refuse", "has no warning to act on");
    names("egress=1G/1d,", "is none of");
    names("egress=1G/1d,wran=8%", "is none of");
    names("egress=1G/1d,warn=8%,on-warn=explode", "is no action");
}

TEST(Budgets, AreOneOfEachKind) {
    const auto two = parse_budgets({"egress=1G/1d", "cpu=1h/1d"});
    ASSERT_TRUE(two.has_value());
    EXPECT_EQ(two->size(), 2U);
    const auto twice = parse_budgets({"egress=1G/1d", "egress=1M/1h"});
    ASSERT_FALSE(twice.has_value());
    EXPECT_EQ(twice.error().fault(), Fault::kUsage);
    EXPECT_NE(twice.error().message().find("egress=1M/1h"), std::string::npos);
}

bh_budgets row_of(bh_budget_kind kind, const bh_budget& budget) {
    bh_budgets row{};
    row.asked = 1U << kind;
    row.budgets[kind] = budget;
    return row;
}

bh_budget sample() {
    bh_budget budget{};
    budget.amount = 1000;
    budget.warn = 800;
    budget.origin_ns = 500;
    budget.period_ns = 10 * kSecondNs;
    budget.spent = 2ULL << BH_SPENT_BITS | 900;
    budget.exceeded_in = 3;
    budget.exceeded = 4;
    budget.refused = 5;
    return budget;
}

TEST(Budgets, ARowIsReadByItsPeriod) {
    const bh_budgets row = row_of(BH_BUDGET_PROCESSES, sample());
    const auto now = budgets_in(row, 500 + 29 * kSecondNs);
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now[0].used, 900U);
    EXPECT_EQ(now[0].left(), 100U);
    EXPECT_TRUE(now[0].is_exceeded);
    const auto next = budgets_in(row, 500 + 30 * kSecondNs);
    EXPECT_EQ(next[0].used, 0U);
    EXPECT_EQ(next[0].left(), 1000U);
    EXPECT_FALSE(next[0].is_exceeded);
    EXPECT_EQ(next[0].exceeded, 4U);
}

// Past its amount in the period of `sample()`, with `done` carried out.
Standing standing(bh_budget_action on_exceed, std::uint32_t done) {
    bh_budget budget = sample();
    budget.on_exceed = on_exceed;
    bh_budgets row = row_of(BH_BUDGET_CPU, budget);
    row.governed.done = done;
    return budgets_in(row, 500 + 25 * kSecondNs)[0].standing;
}

TEST(Budgets, SayWhatBecameOfThem) {
    EXPECT_EQ(standing(BH_ON_EVENT, 0), Standing::kExceeded);
    EXPECT_EQ(standing(BH_ON_REFUSE, 0), Standing::kRefuses);
    for (const bh_budget_action action : {BH_ON_THROTTLE, BH_ON_PAUSE, BH_ON_STOP})
        EXPECT_EQ(standing(action, 0), Standing::kWaits);
    EXPECT_EQ(standing(BH_ON_THROTTLE, 1U << BH_ON_THROTTLE), Standing::kThrottled);
    EXPECT_EQ(standing(BH_ON_PAUSE, 1U << BH_ON_PAUSE), Standing::kPaused);
    EXPECT_EQ(standing(BH_ON_STOP, 1U << BH_ON_STOP), Standing::kStopping);
    bh_budget warned = sample();
    warned.exceeded_in = 0;
    EXPECT_EQ(budgets_in(row_of(BH_BUDGET_CPU, warned), 500)[0].standing, Standing::kOpen);
    warned.warned_in = 3;
    const std::uint64_t then_ns = 500 + 25 * kSecondNs;
    EXPECT_EQ(budgets_in(row_of(BH_BUDGET_CPU, warned), then_ns)[0].standing, Standing::kWarned);
    warned.on_warn = BH_ON_REFUSE;
    EXPECT_EQ(budgets_in(row_of(BH_BUDGET_CPU, warned), then_ns)[0].standing, Standing::kRefuses);
    warned.on_warn = BH_ON_PAUSE;
    EXPECT_EQ(budgets_in(row_of(BH_BUDGET_CPU, warned), then_ns)[0].standing, Standing::kWaits);
    warned.on_warn = BH_ON_STOP;
    EXPECT_EQ(budgets_in(row_of(BH_BUDGET_CPU, warned), 9 * then_ns)[0].standing, Standing::kWaits)
        << "that it is to be stopped is not over with the period";
    EXPECT_STREQ(standing_name(Standing::kWaits), "waits for the agent");
}

TEST(Budgets, OfCpuTimeNeedTheKernelsSymbols) {
    std::istringstream whole("ffffffff81000000 T _stext\nffffffff82a1b2c0 R __per_cpu_offset\n");
    const auto found = loader::cpu_offsets_in(whole);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, 0xffffffff82a1b2c0ULL);
    for (const char* poor :
         {"", "ffffffff81000000 T _stext\n", "0000000000000000 R __per_cpu_offset\n",
          "ffffffff82a1b2c0 R not__per_cpu_offset\n"}) {
        std::istringstream symbols(poor);
        const auto missing = loader::cpu_offsets_in(symbols);
        ASSERT_FALSE(missing.has_value()) << poor;
        EXPECT_EQ(missing.error().fault(), Fault::kUnsupported);
        EXPECT_NE(missing.error().remedy().find("CONFIG_KALLSYMS_ALL"), std::string::npos);
    }
}

TEST(Budgets, LookLikeThis) {
    const NamedBudgets named{"web",
                             budgets_in(row_of(BH_BUDGET_EGRESS, sample()), 500 + 25 * kSecondNs)};
    const Json json = to_json(named);
    EXPECT_EQ(json["environment"], "web");
    EXPECT_EQ(json["budgets"][0]["kind"], "egress");
    EXPECT_EQ(json["budgets"][0]["unit"], "bytes");
    EXPECT_EQ(json["budgets"][0]["used"], 900);
    EXPECT_EQ(json["budgets"][0]["left"], 100);
    EXPECT_EQ(json["budgets"][0]["on_exceed"], "event");
    EXPECT_EQ(json["budgets"][0]["state"], "exceeded");
    const std::string text = to_text({named});
    EXPECT_NE(text.find("exceeded"), std::string::npos) << text;
    EXPECT_NE(text.find("900 B"), std::string::npos) << text;
    EXPECT_NE(text.find("10s"), std::string::npos) << text;
    EXPECT_EQ(amount_text(BH_BUDGET_EGRESS, 10ULL << 30), "10.00 GiB");
    EXPECT_EQ(amount_text(BH_BUDGET_CPU, 1'500'000'000), "1.500 s");
    EXPECT_EQ(period_text(kDayNs), "1d");
    EXPECT_EQ(period_text(7 * kDayNs), "1w");
    EXPECT_EQ(period_text(90 * kSecondNs), "90s");
}

TEST(Budgets, WhatWasUsedGoesOnInTheSamePeriod) {
    constexpr std::uint64_t kNowNs = 500 + 25 * kSecondNs;
    constexpr std::uint64_t kNowUnixNs = 1'700'000'000 * kSecondNs;
    const auto kept = kept_of(row_of(BH_BUDGET_EGRESS, sample()), kNowNs, kNowUnixNs);
    const auto read = kept_from_json(to_json(kept));
    ASSERT_TRUE(read.has_value()) << read.error().message();
    const KeptBudget& egress = read->at("egress");
    EXPECT_EQ(egress.period_began_unix_ns, kNowUnixNs - 5 * kSecondNs);
    EXPECT_EQ(egress.used.used, 900U);
    EXPECT_TRUE(egress.used.is_exceeded);
    // Three seconds later and after a boot, a second ago: the period began before it.
    const auto carried = carried_from(egress, kSecondNs, kNowUnixNs + 3 * kSecondNs);
    EXPECT_EQ(kSecondNs - carried.period_began_ns, 8 * kSecondNs);
    // The calendar was set back.
    EXPECT_EQ(carried_from(egress, kNowNs, kNowUnixNs - kDayNs).period_began_ns, kNowNs);
}

TEST(Budgets, AKeptFileThatIsWrongIsNamed) {
    for (const char* text :
         {"", "{", "{}", R"({"format":2,"budgets":{}})", R"({"format":1,"budgets":{"egress":{}}})"})
        EXPECT_FALSE(kept_from_json(text).has_value()) << text;
}

TEST(Budgets, ARefusalNamesTheBudget) {
    bh_refusal refusal{};
    refusal.class_id = BH_CLASS_BEANCOUNTERS;
    refusal.object_kind = BH_OBJECT_BUDGET;
    refusal.object[0] = BH_BUDGET_CPU;
    refusal.object[1] = 2'000'000;
    refusal.object[2] = 1'000'000;
    refusal.object[3] = kDayNs;
    EXPECT_EQ(describe_object(refusal), "budget cpu: used 2.000 s of 1.000 s in 1d");
    EXPECT_EQ(suggest(refusal), "bulkhead set NAME --budget cpu=AMOUNT/PERIOD");
    refusal.object[0] = 99;
    EXPECT_NE(describe_object(refusal).find("budget ?"), std::string::npos);
}

}  // namespace
}  // namespace bulkhead::runtime
