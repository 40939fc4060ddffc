// JSON as a value: what is written is what is read, in its order; and what it says when it is not.
#include "runtime/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "runtime/json_reader.h"
#include "tests/unit/json_print.h"

namespace bulkhead::tests {
namespace {

std::string mistake_in(std::string_view text) {
    const auto parsed = Json::parse(text);
    return parsed ? "" : parsed.error().what();
}

std::string again(std::string_view text) {
    const auto parsed = Json::parse(text);
    EXPECT_TRUE(parsed) << text << ": " << parsed.error().message();
    return parsed ? parsed->compact() : "";
}

TEST(Json, KeepsTheOrderOfKeys) {
    Json json{{"zebra", 1}, {"ant", {{"y", true}, {"x", nullptr}}}};
    json["mouse"] = "m";
    json["zebra"] = 2;
    EXPECT_EQ(json.compact(), R"({"zebra":2,"ant":{"y":true,"x":null},"mouse":"m"})");
    EXPECT_EQ(again(json.compact()), json.compact());
}

TEST(Json, IsIndentedByTwo) {
    Json json{{"list", std::vector<std::string>{"a", "b"}}, {"empty", Json::array()}};
    json["list"].push_back({{"of", Json::object()}});
    EXPECT_EQ(json.indented(),
              "{\n  \"list\": [\n    \"a\",\n    \"b\",\n    {\n      \"of\": {}\n    }\n  ],\n"
              "  \"empty\": []\n}");
    EXPECT_EQ(*Json::parse(json.indented()), json);
}

TEST(Json, NumbersAreWhole) {
    constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
    constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(Json(kLeast).compact(), "-9223372036854775808");
    EXPECT_EQ(again("-9223372036854775808"), "-9223372036854775808");
    EXPECT_EQ(Json(kMost).compact(), "18446744073709551615");
    EXPECT_EQ(Json::parse("18446744073709551615")->number(), kMost);
    EXPECT_EQ(Json(3), Json(3U)) << "of whatever type it was";
    EXPECT_EQ(Json(-1).number(), std::nullopt);
    EXPECT_EQ(Json(true).number(), std::nullopt);
}

TEST(Json, DoublesStayWhatTheyAre) {
    EXPECT_EQ(Json(0.1).compact(), "0.1");
    EXPECT_EQ(again("-1.5e300"), "-1.5e+300");
    EXPECT_EQ(again("2.0"), "2.0");
    EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).compact(), "null");
    EXPECT_NE(mistake_in("1e999"), "");
}

TEST(Json, AnOptionalNumberThatIsNoneIsNull) {
    EXPECT_EQ(Json(std::optional<unsigned>()).compact(), "null");
    EXPECT_EQ(Json(std::optional<unsigned>(7)).compact(), "7");
}

TEST(Json, TextsAreEscaped) {
    EXPECT_EQ(Json("a\"b\\c\n\t\x01").compact(), R"("a\"b\\c\n\t\u0001")");
    EXPECT_EQ(Json(std::string_view("nul\0nul", 7)).compact(), R"("nul\u0000nul")");
    EXPECT_EQ(Json("·é").compact(), "\"·é\"");
    EXPECT_EQ(Json({{"k\"", 1}}).compact(), R"({"k\"":1})");
    EXPECT_EQ(Json::parse(R"("\u00e9\n")")->text(), "é\n");
}

TEST(Json, WhatIsNoUtf8IsReplaced) {
    EXPECT_EQ(Json("a\xff z").compact(), "\"a\uFFFD z\"");
    EXPECT_EQ(Json({{"\xc3", 1}}).compact(), "{\"\uFFFD\":1}");
    EXPECT_NE(mistake_in("\"\xff\""), "") << "but not read";
}

TEST(Json, OfAKeyThatIsThereTwiceTheLastHolds) {
    EXPECT_EQ(again(R"({"a":1,"b":2,"a":[3]})"), R"({"a":[3],"b":2})");
}

TEST(Json, TellsWhereATextIsWrong) {
    for (const char* text :
         {"", "{", "[1,", "{\"a\" 1}", "[1] 2", "nul", "\"open", "01", "{'a':1}"})
        EXPECT_NE(mistake_in(text), "") << text;
    EXPECT_NE(mistake_in("[1,\n 2 3]").find("line 2, column 4"), std::string::npos)
        << mistake_in("[1,\n 2 3]");
    EXPECT_EQ(mistake_in("{").find('['), std::string::npos) << "nothing of the library's names";
}

TEST(Json, WhatIsNestedTooDeepIsRefused) {
    const std::string deep = "nested more than 64 deep";
    EXPECT_EQ(mistake_in(std::string(100'000, '[')), deep);
    std::string objects;
    for (int i = 0; i < 100'000; ++i)
        objects += "{\"a\":";
    EXPECT_EQ(mistake_in(objects), deep);
    EXPECT_EQ(mistake_in(std::string(65, '[') + std::string(65, ']')), deep);
    EXPECT_EQ(mistake_in(std::string(64, '[') + std::string(64, ']')), "");
}

TEST(Json, WhatIsNotThereIsNull) {
    const Json json{{"cpu", {{"total_ns", 5}}}, {"list", std::vector<std::string>{"a"}}};
    EXPECT_TRUE(json["memory"]["peak"].is_null());
    EXPECT_TRUE(json["list"][1].is_null());
    EXPECT_EQ(json["list"][0].text(), "a");
    EXPECT_EQ(json["cpu"].text(), "");
    EXPECT_EQ(json.find("memory"), nullptr);
    ASSERT_NE(json.find_path("cpu.total_ns"), nullptr);
    EXPECT_EQ(*json.find_path("cpu.total_ns"), 5);
    EXPECT_EQ(json.find_path("cpu.total_ns.more"), nullptr);
    EXPECT_EQ(json.find_path("list.a"), nullptr);
}

TEST(Json, APathIsMade) {
    Json json;
    json.at_path("cpu.total_ns") = 5;
    json.at_path("cpu.user_ns") = 4;
    EXPECT_EQ(json.compact(), R"({"cpu":{"total_ns":5,"user_ns":4}})");
}

TEST(Json, ObjectsAreTheSameInAnyOrder) {
    EXPECT_EQ((Json{{"a", 1}, {"b", 2}}), (Json{{"b", 2}, {"a", 1}}));
    EXPECT_NE((Json{{"a", 1}}), (Json{{"a", 2}}));
    EXPECT_NE((Json{{"a", 1}}), (Json{{"a", 1}, {"b", 2}}));
    EXPECT_NE(Json::array(), Json::object());
}

TEST(JsonReader, ReadsWhatIsThere) {
    const Json json{{"name", "web"},
                    {"on", true},
                    {"count", 7},
                    {"argv", std::vector<std::string>{"sh", "-c"}},
                    {"inner", {{"x", 1}, {"y", 2}}}};
    std::string wrong;
    const JsonReader reader(json, wrong);
    EXPECT_EQ(reader.text("name"), "web");
    EXPECT_TRUE(reader.truth("on"));
    EXPECT_EQ(reader.number<std::uint8_t>("count"), 7);
    EXPECT_EQ(reader.texts("argv"), (std::vector<std::string>{"sh", "-c"}));
    EXPECT_EQ(reader.object("inner").keys(), (std::vector<std::string>{"x", "y"}));
    EXPECT_FALSE(reader.has("more"));
    EXPECT_EQ(wrong, "");
}

// What is said of the first thing that is wrong when `read` reads this.
template <typename Read>
std::string wrong_of(Read read) {
    Json json{{"root", {{"path", 3}}}, {"mounts", Json::array()}, {"slot", 300}, {"low", -1}};
    json["mounts"].push_back({{"source", "/a"}});
    json["mounts"].push_back({{"source", false}});
    std::string wrong;
    read(JsonReader(json, wrong));
    return wrong;
}

TEST(JsonReader, NamesThePathOfWhatIsWrong) {
    using Reader = const JsonReader&;
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.text("name"); }), "name is missing");
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.object("root").text("path"); }),
              "root.path is no text");
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.truth("slot"); }),
              "slot is neither true nor false");
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.object("slot"); }), "slot is no object");
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.texts("mounts"); }),
              "mounts is no list of texts");
    EXPECT_EQ(wrong_of([](Reader json) { (void)json.objects("root"); }),
              "root is no list of objects");
    EXPECT_EQ(wrong_of([](Reader json) {
                  for (const JsonReader& one : json.objects("mounts"))
                      (void)one.text("source");
              }),
              "mounts[1].source is no text");
}

TEST(JsonReader, ANumberIsOfTheRangeOfItsType) {
    using Reader = const JsonReader&;
    const std::string out_of_range = " is no whole number of the range it can have";
    EXPECT_EQ(wrong_of([](Reader json) { EXPECT_EQ(json.number<std::uint8_t>("slot"), 0); }),
              "slot" + out_of_range);
    EXPECT_EQ(wrong_of([](Reader json) { EXPECT_EQ(json.number<int>("low"), 0); }),
              "low" + out_of_range);
    EXPECT_EQ(wrong_of([](Reader json) { EXPECT_EQ(json.number<std::uint16_t>("slot"), 300); }),
              "");
}

TEST(JsonReader, SaysTheFirstMistakeAlone) {
    EXPECT_EQ(wrong_of([](const JsonReader& json) {
                  EXPECT_EQ(json.object("process").texts("argv").size(), 0U);
                  EXPECT_EQ(json.text("slot"), "");
              }),
              "process is missing");
}

}  // namespace
}  // namespace bulkhead::tests
