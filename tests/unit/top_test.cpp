// The screen of `bulkhead top` without a terminal: rates, order, keys, and what stands where.
#include <gtest/gtest.h>

#include "runtime/top/view.h"
#include "tests/unit/json_print.h"

namespace bulkhead::runtime::top {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

Usage usage(std::uint32_t serial, const char* name, std::uint64_t cpu_ns, std::uint64_t memory) {
    Usage one;
    one.environment = name;
    one.serial = serial;
    one.cpu_ns = cpu_ns;
    one.memory_bytes = memory;
    one.tasks = serial;
    return one;
}

// After two readings, two seconds apart: "web" used half a CPU, "db" a quarter and more memory.
Model two_readings() {
    Model model;
    model.take({usage(1, "web", 0, 1 << 20), usage(2, "db", kSecond, 8 << 20)}, 5 * kSecond);
    model.take({usage(1, "web", kSecond, 2 << 20), usage(2, "db", kSecond * 3 / 2, 8 << 20)},
               7 * kSecond);
    return model;
}

std::string names(const std::vector<const Row*>& rows) {
    std::string text;
    for (const Row* row : rows)
        text += row->usage.environment + " ";
    return text;
}

std::string text_of(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines)
        text += line.text + "\n";
    return text;
}

std::size_t columns_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

TEST(Top, RatesArePerSecondOfTheInterval) {
    const Model model = two_readings();
    EXPECT_EQ(model.find(1)->rates.cpu_permille, 500U);
    EXPECT_EQ(model.find(2)->rates.cpu_permille, 250U);
    EXPECT_EQ(model.cpu_permille(), 750U);
    EXPECT_EQ(to_json(*model.find(1))["cpu_permille"], 500);
}

TEST(Top, AnEnvironmentThatIsNewHasNoRatesAndOneThatEndedIsGone) {
    Model model = two_readings();
    model.take({usage(1, "web", kSecond, 0), usage(3, "new", 99 * kSecond, 0)}, 9 * kSecond);
    EXPECT_EQ(model.find(2), nullptr);
    EXPECT_EQ(model.find(3)->rates.cpu_permille, 0U);
    EXPECT_EQ(model.find(1)->rates.cpu_permille, 0U);
    // Counts that went back are no rate.
    model.take({usage(3, "new", 0, 0)}, 10 * kSecond);
    EXPECT_EQ(model.find(3)->rates.cpu_permille, 0U);
}

TEST(Top, SortsReversesAndFilters) {
    const Model model = two_readings();
    EXPECT_EQ(names(model.rows(Sort::kCpu, Order::kLargestFirst, "")), "web db ");
    EXPECT_EQ(names(model.rows(Sort::kCpu, Order::kSmallestFirst, "")), "db web ");
    EXPECT_EQ(names(model.rows(Sort::kMemory, Order::kLargestFirst, "")), "db web ");
    EXPECT_EQ(names(model.rows(Sort::kName, Order::kLargestFirst, "")), "db web ");
    EXPECT_EQ(names(model.rows(Sort::kDisk, Order::kLargestFirst, "")), "db web ")
        << "equal numbers: by name";
    EXPECT_EQ(names(model.rows(Sort::kCpu, Order::kLargestFirst, "e")), "web ");
}

TEST(Top, FitsTheScreenWhateverItsSize) {
    Model model;
    std::vector<Usage> many;
    for (std::uint32_t i = 1; i <= 200; ++i)
        many.push_back(usage(i, std::string(63, 'n').c_str(), ~0ULL / 2, ~0ULL / 2));
    model.take(many, kSecond);
    model.take(many, 2 * kSecond);
    for (const std::size_t columns : {1U, 20U, 80U, 300U})
        for (const std::size_t lines : {1U, 2U, 3U, 24U, 100U})
            for (const bool one : {false, true}) {
                View view;
                view.selected = 150;
                if (one)
                    view.looked_at = 1;
                const auto frame = render(view, model, {columns, lines}, "10:00:00Z");
                ASSERT_EQ(frame.size(), lines);
                for (const Line& line : frame)
                    EXPECT_LE(columns_of(line.text), columns) << line.text;
            }
}

TEST(Top, ShowsATableOf80Columns) {
    View view;
    const auto frame = render(view, two_readings(), {80, 24}, "10:00:00Z");
    EXPECT_EQ(frame[0].text,
              "bulkhead top 10:00:00Z by cpu, 2 environments, cpu 75.0 %, memory 10.0M");
    EXPECT_EQ(frame[1].text.substr(0, 46), "ENVIRONMENT         CPU%               MEM TAS");
    EXPECT_EQ(frame[2].text.substr(0, 25), "web                 50.0 ");
    EXPECT_EQ(frame[2].emphasis, Emphasis::kReverse);
    EXPECT_EQ(frame[3].text.substr(0, 25), "db                  25.0 ");
    EXPECT_NE(frame[23].text.find("q quit"), std::string::npos);
}

TEST(Top, KeepsTheSelectedLineOnTheScreen) {
    Model model;
    std::vector<Usage> many;
    for (std::uint32_t i = 1; i <= 50; ++i)
        many.push_back(usage(i, ("e" + std::to_string(100 + i)).c_str(), 0, 0));
    model.take(many, kSecond);
    View view;
    view.sort = Sort::kName;
    for (int i = 0; i < 40; ++i)
        press(view, model, "j");
    EXPECT_NE(text_of(render(view, model, {80, 24}, "")).find("e141"), std::string::npos);
    for (int i = 0; i < 100; ++i)
        press(view, model, "\x1b[B");
    EXPECT_EQ(view.selected, 49U);
}

TEST(Top, KeysDoWhatTheFootSays) {
    const Model model = two_readings();
    View view;
    EXPECT_EQ(press(view, model, "\x1b[B"), Reaction::kStay);
    press(view, model, "\r");
    ASSERT_TRUE(view.looked_at);
    EXPECT_EQ(*view.looked_at, 2U);
    EXPECT_NE(text_of(render(view, model, {80, 24}, "")).find("8.0 MiB now"), std::string::npos);
    press(view, model, "\x1b");
    EXPECT_FALSE(view.looked_at);
    press(view, model, "s");
    EXPECT_EQ(view.sort, Sort::kMemory);
    press(view, model, "r");
    EXPECT_EQ(view.order, Order::kSmallestFirst);
    press(view, model, " ");
    EXPECT_NE(render(view, model, {80, 24}, "")[0].text.find("PAUSED"), std::string::npos);
    EXPECT_EQ(press(view, model, "q"), Reaction::kQuit);
    EXPECT_EQ(press(view, model, "\x03"), Reaction::kQuit);
}

TEST(Top, TypesAFilterAndTakesItBack) {
    const Model model = two_readings();
    View view;
    for (const char* key : {"/", "w", "q", "\x7f", "e"})
        EXPECT_EQ(press(view, model, key), Reaction::kStay) << "q is a letter here";
    EXPECT_EQ(view.filter, "we");
    press(view, model, "\r");
    EXPECT_EQ(view.typing, Typing::kNothing);
    EXPECT_EQ(text_of(render(view, model, {80, 24}, "")).find("\ndb"), std::string::npos);
    press(view, model, "\x1b");
    EXPECT_TRUE(view.filter.empty());
}

TEST(Top, TakesKeysOneByOne) {
    std::string_view bytes = "j\x1b[A\x1bOBq\x1b";
    std::string taken;
    while (!bytes.empty())
        taken += std::to_string(take_key(bytes).size());
    EXPECT_EQ(taken, "13311");
}

TEST(Top, SparklinesAreBarsOfTheLastValues) {
    EXPECT_EQ(sparkline({0, 7, 14}, 3, Glyphs::kAscii), "_-#");
    EXPECT_EQ(sparkline({0, 0}, 4, Glyphs::kUnicode), "  ▁▁");
    EXPECT_EQ(sparkline({9, 1, 1}, 2, Glyphs::kAscii), "##") << "what is not shown does not scale";
    EXPECT_EQ(sparkline({}, 2, Glyphs::kAscii), "  ");
}

TEST(Top, BytesAreShort) {
    EXPECT_EQ(short_bytes(0), "0");
    EXPECT_EQ(short_bytes(1023), "1023");
    EXPECT_EQ(short_bytes(1536), "1.5K");
    EXPECT_EQ(short_bytes(~0ULL).size(), 5U) << short_bytes(~0ULL);
}

}  // namespace
}  // namespace bulkhead::runtime::top
