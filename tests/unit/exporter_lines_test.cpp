#include "runtime/exporter_lines.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

namespace bulkhead::runtime {
namespace {

template <typename Value>
std::string written(Value value) {
    std::array<char, 32> text{};
    return {text.data(), put(text.data(), value)};
}

std::string number(std::uint64_t value) {
    return written(value);
}

std::string seconds(std::uint64_t ns) {
    return written(Nanoseconds{ns});
}

TEST(ExporterLines, WriteEveryLengthOfANumber) {
    std::uint64_t power = 1;
    for (int digits = 1; digits <= 20; ++digits) {
        for (const std::uint64_t value : {power - 1, power, power + 1, power * 9 / 2})
            EXPECT_EQ(number(value), std::to_string(value));
        power *= 10;
    }
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(number(most), std::to_string(most));
}

TEST(ExporterLines, WriteSecondsWithAllDigitsAndNoMore) {
    EXPECT_EQ(seconds(0), "0");
    EXPECT_EQ(seconds(1), "0.000000001");
    EXPECT_EQ(seconds(100'000'000), "0.1");
    EXPECT_EQ(seconds(7'000'000'000), "7");
    EXPECT_EQ(seconds(10'020'030'040), "10.02003004");
    EXPECT_EQ(seconds(18'446'744'073'709'551'615U), "18446744073.709551615");
}

TEST(ExporterLines, ArriveWholeInPieces) {
    std::vector<std::string> pieces;
    const TextSink sink = [&](std::string_view text) { pieces.emplace_back(text); };
    TextBuffer buffer;
    EnvironmentLines lines(buffer, sink, Format::kText, "tasks", "Tasks.",
                           prometheus::MetricType::Gauge);
    std::string expected = "# HELP tasks Tasks.\n# TYPE tasks gauge\n";
    for (int i = 0; i < 2000; ++i) {
        const EnvironmentText environment("environment-" + std::to_string(i), 1.0);
        lines.begin(environment);
        lines.add(static_cast<std::uint64_t>(i));
        expected += "tasks{environment=\"environment-" + std::to_string(i) + "\"} " +
                    std::to_string(i) + "\n";
    }
    lines.end();
    EXPECT_GT(pieces.size(), 1U);
    std::string whole;
    for (const std::string& piece : pieces)
        whole += piece;
    EXPECT_EQ(whole, expected);
}

TEST(ExporterLines, WriteNoFamilyWithoutASample) {
    const TextSink sink = [](std::string_view text) { ADD_FAILURE() << text; };
    TextBuffer buffer;
    EnvironmentLines lines(buffer, sink, Format::kOpenMetrics, "forks_total", "Forks.",
                           prometheus::MetricType::Counter);
    const EnvironmentText environment("web", 1.0);
    lines.begin(environment);
    lines.end();
    EXPECT_EQ(buffer.size(), 0U);
}

}  // namespace
}  // namespace bulkhead::runtime
