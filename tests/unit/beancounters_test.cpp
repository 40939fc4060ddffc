#include "runtime/beancounters.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "loader/held.h"
#include "runtime/explain.h"
#include "runtime/suggest.h"
#include "tests/unit/json_print.h"

namespace bulkhead::runtime {
namespace {

TEST(Beancounters, BoundsAreABarrierAndALimit) {
    const auto both = parse_bounds("numfile=90:100");
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->counter, BH_BEANCOUNTER_NUMFILE);
    EXPECT_EQ(both->bounds.barrier, 90U);
    EXPECT_EQ(both->bounds.limit, 100U);
    const auto one = parse_bounds("physpages=1000");
    ASSERT_TRUE(one.has_value());
    EXPECT_EQ(one->bounds.barrier, 1000U);
    EXPECT_EQ(one->bounds.limit, 1000U);
    for (const char* text :
         {"numtcpsock=10:unlimited", "numproc=10:unlimited", "physpages=10:unlimited"}) {
        const auto warned = parse_bounds(text);
        ASSERT_TRUE(warned.has_value()) << text;
        EXPECT_EQ(warned->bounds.barrier, 10U) << text;
        EXPECT_EQ(warned->bounds.limit, BH_UNLIMITED) << text;
    }
}

std::string complaint(const std::string& text) {
    const auto parsed = parse_bounds(text);
    if (parsed)
        return "";
    EXPECT_EQ(parsed.error().fault(), Fault::kUsage) << text;
    EXPECT_FALSE(parsed.error().remedy().empty()) << text;
    return parsed.error().message();
}

TEST(Beancounters, MistakesAreNamed) {
    EXPECT_NE(complaint("numfile").find("gives no bounds"), std::string::npos);
    EXPECT_NE(complaint("numfiles=1:2").find("numfile"), std::string::npos);
    EXPECT_NE(complaint("numfile=2:1").find("above its limit"), std::string::npos);
    for (const char* text : {"kmemsize=1", "shmpages=1", "lockedpages=1:2", "dcachesize=1",
                             "nummnt=1", "privvmpages=1", "tcpsndbuf=1", "tcprcvbuf=1",
                             "othersockbuf=1", "dgramrcvbuf=1", "numiptent=unlimited"})
        EXPECT_NE(complaint(text).find("no limit of its own"), std::string::npos) << text;
    for (const char* text : {"numfile=", "numfile=:", "numfile=1:", "numfile=-1", "numfile=1:2:3",
                             "numfile=1k", "numfile=18446744073709551615"})
        EXPECT_NE(complaint(text).find("is no number"), std::string::npos) << text;
}

// Those of Virtuozzo that are on every kernel: each takes a bound, or says why it does not.
TEST(Beancounters, EveryNameIsKnown) {
    for (const char* name :
         {"numproc",    "numfile",    "numtcpsock", "numothersock", "numunixsock",  "numflock",
          "numpty",     "numsiginfo", "shmpages",   "lockedpages",  "privvmpages",  "physpages",
          "swappages",  "kmemsize",   "tcpsndbuf",  "tcprcvbuf",    "othersockbuf", "dgramrcvbuf",
          "dcachesize", "numiptent",  "numinotify", "nummnt"}) {
        const auto parsed = parse_bounds(std::string(name) + "=5");
        if (!parsed) {
            EXPECT_TRUE(parsed.error().message().starts_with(name)) << parsed.error().message();
            EXPECT_FALSE(parsed.error().remedy().empty()) << name;
        }
    }
    for (const char* text : {"numflock=5", "numinotify=5:9", "numsiginfo=unlimited"})
        EXPECT_TRUE(parse_bounds(text).has_value()) << text;
}

TEST(Beancounters, CountsOfUsersAreFoundAmongTheSymbols) {
    std::istringstream symbols("ffffffff81000000 T _text\nffffffff83796fa0 b ucounts_hashtable\n");
    const auto found = loader::user_counts_in(symbols);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, 0xffffffff83796fa0);
    for (const char* without : {"", "0000000000000000 b ucounts_hashtable\n",
                                "ffffffff83796fa0 b not_ucounts_hashtable_at_all\n"}) {
        std::istringstream none(without);
        const auto missing = loader::user_counts_in(none);
        ASSERT_FALSE(missing.has_value()) << without;
        EXPECT_EQ(missing.error().fault(), Fault::kUnsupported);
    }
}

TEST(Beancounters, ATableTellsUnlimitedFromUncounted) {
    const std::vector<Beancounter> counters = {
        {"numfile", 3, 5, BH_UNLIMITED, 10, 2},
        {"numtcpsock", {}, {}, {}, {}, {}},
    };
    const std::string text = to_text(counters);
    EXPECT_NE(text.find("unlimited"), std::string::npos) << text;
    EXPECT_NE(text.find(" - "), std::string::npos) << text;
    const Json json = to_json(counters);
    EXPECT_EQ(json[0]["held"], 3);
    EXPECT_EQ(json[0]["barrier"], "unlimited");
    EXPECT_EQ(json[0]["limit"], 10);
    EXPECT_TRUE(json[1]["limit"].is_null());
}

TEST(Beancounters, ARefusalSaysHowMuchIsHeld) {
    bh_refusal refusal{};
    refusal.class_id = BH_CLASS_BEANCOUNTERS;
    refusal.object_kind = BH_OBJECT_BEANCOUNTER;
    refusal.object[0] = BH_BEANCOUNTER_NUMFILE;
    refusal.object[1] = 100;
    refusal.object[2] = BH_UNLIMITED;
    refusal.object[3] = 100;
    refusal.error = -ENFILE;
    EXPECT_EQ(describe_object(refusal), "numfile: held 100, barrier unlimited, limit 100");
    EXPECT_EQ(error_name(refusal), "ENFILE");
    EXPECT_EQ(suggest(refusal), "bulkhead set NAME --beancounter numfile=BARRIER:LIMIT");
    refusal.object[0] = BH_BEANCOUNTER_PHYSPAGES;
    refusal.error = 0;
    EXPECT_EQ(error_name(refusal), "SIGKILL");
}

}  // namespace
}  // namespace bulkhead::runtime
