// Plans: limits that an agent moves; and what is guaranteed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/governed.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

const Arguments kIdle = {"/bin/sleep", "1000"};
// Holds so many MiB of its own and goes to sleep.
const Arguments kHolding = {"/usr/bin/perl", "-e",
                            "$held .= 'x' x 1048576 for 1 .. 44; sleep 1 while 1"};

std::vector<nlohmann::json> moves(const std::string& name) {
    return events(name, "plan-moved");
}

bool was_moved(const std::string& name, const std::string& because) {
    const auto all = moves(name);
    return std::any_of(all.begin(), all.end(),
                       [&](const nlohmann::json& one) { return one.at("because") == because; });
}

// Each begins where the last one ended: none was done twice.
void expect_one_after_the_other(const std::vector<nlohmann::json>& all) {
    for (std::size_t i = 1; i < all.size(); ++i)
        EXPECT_EQ(all[i].at("from"), all[i - 1].at("to")) << all[i];
}

// As if it had been calm for an hour.
void calm_down(const std::string& name, bh_plan_resource resource) {
    const auto row = governed_row(name);
    ASSERT_TRUE(row.has_value()) << row.error().message();
    (*row)->governed.plans[resource].calm_since_ns = 1;
}

TEST(Plans, MemoryGrowsWithWhatIsUsed) {
    const NothingLeft nothing_left;
    const Detached grows("grows", kHolding, {"--plan", "memory=16M..64M"});
    EXPECT_EQ(cgroup_file("grows/memory.high"), std::to_string(16 << 20));
    EXPECT_EQ(cgroup_file("grows/memory.max"), std::to_string(64 << 20));
    EXPECT_TRUE(moves("grows").empty()) << "nobody was there to move it";
    const Agent agent;
    const auto holds = [] { return std::stol(cgroup_file("grows/memory.current")) > 44 << 20; };
    EXPECT_TRUE(eventually(holds, 200)) << cgroup_file("grows/memory.current");
    // What is above it is only slowed down: the limit follows.
    const auto follows = [] { return std::stol(cgroup_file("grows/memory.high")) > 44 << 20; };
    EXPECT_TRUE(eventually(follows, 60)) << cgroup_file("grows/memory.high");
    EXPECT_LE(std::stol(cgroup_file("grows/memory.high")), 64 << 20);
    EXPECT_EQ(bulkhead_json({"usage", "grows"}).at("memory").at("oom_kills"), 0);
    const auto told = moves("grows");
    ASSERT_GE(told.size(), 2U);
    EXPECT_EQ(told[0].at("resource"), "memory");
    EXPECT_EQ(told[0].at("from"), 16 << 20);
    EXPECT_EQ(told[1].at("from"), told[0].at("to"));
    // It may be moved once more meanwhile.
    EXPECT_TRUE(eventually([] {
        return scrape().at(
                   "bulkhead_environment_plan_moves_total{environment=\"grows\",resource="
                   "\"memory\",direction=\"up\"}") == static_cast<double>(moves("grows").size());
    }));
    EXPECT_TRUE(eventually([] {
        const auto plan = bulkhead_json({"status", "grows"}).at("plans").at(0);
        return plan.at("most") == 64 << 20 &&
               std::to_string(plan.at("limit").get<long>()) == cgroup_file("grows/memory.high");
    }));

    expect_refused(bulkhead({"set", "grows", "--plan", "memory=16M..32M"}),
                   {2, {"grows uses", "maximum"}});
    EXPECT_EQ(cgroup_file("grows/memory.max"), std::to_string(64 << 20));
}

// The next agent goes on from where the last one was.
TEST(Plans, ShrinkWhenItIsCalm) {
    const Detached calm("calm", kIdle, {"--plan", "memory=16M..64M", "--plan", "cpus=0.1..0.5"});
    ASSERT_EQ(bulkhead({"set", "calm", "--plan", "memory=48M..64M"}).exit_code, 0);
    ASSERT_EQ(bulkhead({"set", "calm", "--plan", "memory=16M..64M"}).exit_code, 0);
    EXPECT_EQ(cgroup_file("calm/memory.high"), std::to_string(48 << 20));
    { const Agent agent; }
    calm_down("calm", BH_PLAN_MEMORY);
    const Agent next;
    EXPECT_TRUE(eventually([] { return was_moved("calm", "calm"); }, 60));
    const long high = std::stol(cgroup_file("calm/memory.high"));
    EXPECT_LT(high, 48 << 20);
    EXPECT_GT(high, (48 << 20) - (5 << 20)) << "by a tenth, to a page";
    EXPECT_EQ(cgroup_file("calm/cpu.max"), "10000 100000") << "at its least already";
}

TEST(Plans, CpusGrowWhereTheyAreThrottledAndOnceWithTwoAgents) {
    const Agent agent;
    const Running second({"agent", "--listen", "127.0.0.1:19751"});
    ASSERT_TRUE(eventually([] { return is_listening(19751); }, 30));
    const Detached busy("busy-plan", {"/bin/sh", "-c", "while :; do :; done"},
                        {"--plan", "cpus=0.1..0.2"});
    EXPECT_TRUE(eventually([] { return cgroup_file("busy-plan/cpu.max") == "20000 100000"; }, 120))
        << cgroup_file("busy-plan/cpu.max");
    EXPECT_EQ(moves("busy-plan").at(0).at("resource"), "cpus");
    expect_one_after_the_other(moves("busy-plan"));
    ASSERT_EQ(bulkhead({"set", "busy-plan", "--plan", "cpus=none"}).exit_code, 0);
    EXPECT_EQ(cgroup_file("busy-plan/cpu.max"), "20000 100000") << "the last one's most";
    EXPECT_FALSE(bulkhead_json({"status", "busy-plan"}).contains("plans"));
}

TEST(Plans, MistakesChangeNothing) {
    const NothingLeft nothing_left;
    expect_refused(run({"--plan", "memory=2G..1G"}, {"/bin/true"}), {125, {"--plan", "above"}});
    expect_refused(run({"--plan", "memory=1G..2G", "--memory", "1G"}, {"/bin/true"}),
                   {125, {"--memory", "--plan"}});
    expect_refused(bulkhead({"set", "nobody", "--plan", "cpus=1..2"}), {1, {"nobody"}});
}

TEST(Guarantees, AreGivenAndTakenBack) {
    const NothingLeft nothing_left;
    {
        const Detached one("one", kIdle, {"--memory-min", "8M", "--memory-low", "16M"});
        const Detached two("two", kIdle, {"--memory-min", "4M"});
        EXPECT_EQ(cgroup_file("one/memory.min"), std::to_string(8 << 20));
        EXPECT_EQ(cgroup_file("one/memory.low"), std::to_string(16 << 20));
        EXPECT_EQ(cgroup_file("memory.min"), std::to_string(12 << 20)) << "of both";
        EXPECT_EQ(cgroup_file("memory.low"), std::to_string(16 << 20));
        expect_refused(run({"--memory-min", "100G"}, {"/bin/true"}),
                       {125, {"--memory-min", "cannot be kept"}});
        EXPECT_EQ(cgroup_file("memory.min"), std::to_string(12 << 20));
    }
    EXPECT_EQ(cgroup_file("memory.min"), "0");
    EXPECT_EQ(cgroup_file("memory.low"), "0");
    expect_refused(run({"--memory-min", "2M", "--memory", "1M"}, {"/bin/true"}),
                   {125, {"--memory-min", "limit"}});
}

}  // namespace
}  // namespace bulkhead::tests
