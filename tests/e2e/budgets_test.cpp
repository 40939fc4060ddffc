// Budgets as people set and read them, with nobody of ours alive when they are used up.
#include <gtest/gtest.h>

#include <string>

#include <nlohmann/json.hpp>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/minded.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

nlohmann::json budget(const std::string& name, const std::string& kind) {
    const nlohmann::json all = bulkhead_json({"budget", name});
    for (const nlohmann::json& one : all.at("budgets"))
        if (one.at("kind") == kind)
            return one;
    return {};
}

// Starts up to sixty processes and says how many it could. Shells wait and try again.
const Arguments kFork = {"/usr/bin/perl", "-e",
                         "while ($n < 60) { $p = fork(); last unless defined $p; exit 0 unless $p;"
                         " waitpid($p, 0); $n++ } print $n + 0"};

// As many as could be started in a fresh process of `name`; -1: not even that.
int forks(const std::string& name) {
    Arguments arguments = {"exec", name, "--"};
    arguments.insert(arguments.end(), kFork.begin(), kFork.end());
    const Outcome outcome = bulkhead(arguments);
    return outcome.exit_code != 0 || outcome.out.empty() ? -1 : std::stoi(outcome.out);
}

TEST(Budgets, AreSetReadAndExplained) {
    const NothingLeft nothing_left;
    const Detached web("web", {"/bin/sleep", "1000"},
                       {"--budget", "egress=1G/1d,warn=80%,on-exceed=event"});
    EXPECT_EQ(budget("web", "egress").at("amount"), 1 << 30);
    EXPECT_EQ(budget("web", "egress").at("left"), 1 << 30);
    EXPECT_EQ(budget("web", "egress").at("on_exceed"), "event");
    EXPECT_TRUE(budget("web", "processes").is_null()) << "nobody asked for it";
    EXPECT_EQ(forks("web"), 60);

    ASSERT_EQ(bulkhead({"set", "web", "--budget", "processes=30/1h,warn=50%"}).exit_code, 0);
    const int some = forks("web");
    EXPECT_LT(some, 30);
    EXPECT_EQ(budget("web", "processes").at("used"), 30);
    EXPECT_EQ(budget("web", "processes").at("left"), 0);
    EXPECT_EQ(budget("web", "processes").at("exceeded"), 1);
    EXPECT_GT(budget("web", "processes").at("refused"), 0);
    const Outcome why = bulkhead({"why", "web", "--all"});
    EXPECT_NE(why.out.find("budget processes: used 30 of 30 in 1h: EAGAIN"), std::string::npos)
        << why.out;
    EXPECT_NE(why.out.find("past the warning"), std::string::npos) << why.out;
    EXPECT_NE(why.out.find("past the amount"), std::string::npos) << why.out;
    EXPECT_NE(why.out.find("--budget processes="), std::string::npos) << why.out;
    const std::string shown = bulkhead({"budget"}).out;
    EXPECT_NE(shown.find("web"), std::string::npos) << shown;

    ASSERT_EQ(bulkhead({"set", "web", "--budget", "processes=unlimited"}).exit_code, 0);
    EXPECT_EQ(forks("web"), 60);
}

// It runs into the budget while nobody minds it.
TEST(Budgets, HoldWithNobodyOfOursAlive) {
    const NothingLeft nothing_left;
    Arguments arguments =
        run_arguments("orphan", {"/usr/bin/perl", "-e",
                                 "while (1) { $p = fork(); exit 0 if defined $p && !$p;"
                                 " $p ? waitpid($p, 0) : select(undef, undef, undef, 0.01) }"});
    arguments.insert(arguments.begin() + 1, {"--budget", "processes=200/1d"});
    Running minder(arguments);
    ASSERT_TRUE(eventually([] { return runs("orphan"); }, 30));
    minder.kill();
    EXPECT_TRUE(eventually([] { return budget("orphan", "processes").at("refused") > 0; }, 120));
    EXPECT_EQ(budget("orphan", "processes").at("used"), 200);
    EXPECT_EQ(bulkhead({"stop", "orphan"}).exit_code, 0);
}

TEST(Budgets, SurviveARestart) {
    const auto life = [](const Arguments& command) {
        return run({"--name", "again", "--budget", "processes=70/1d"}, command);
    };
    EXPECT_EQ(life(kFork).out, "60");
    EXPECT_EQ(life(kFork).out, "8") << "70, less a program and 60 processes, and a program";
    // Used up: it cannot even begin.
    const Outcome third = life({"/bin/echo", "begun"});
    EXPECT_EQ(third.out, "");
    EXPECT_NE(third.exit_code, 0);
    // Another period is another budget.
    const Outcome other =
        run({"--name", "again", "--budget", "processes=70/2d"}, {"/bin/echo", "begun"});
    EXPECT_EQ(other.out, "begun\n");
}

TEST(Budgets, OfCpuTimeAreUsedUp) {
    const Detached busy("busy", {"/bin/sh", "-c", "while :; do :; done"},
                        {"--budget", "cpu=300ms/1d", "--budget", "wall=1s/1d,on-exceed=event"});
    EXPECT_TRUE(eventually([] { return budget("busy", "cpu").at("is_exceeded") == true; }, 60));
    EXPECT_TRUE(eventually([] { return budget("busy", "wall").at("is_exceeded") == true; }, 60));
    EXPECT_EQ(forks("busy"), -1);
    EXPECT_NE(bulkhead({"why", "busy"}).out.find("budget cpu"), std::string::npos);
}

TEST(Budgets, MistakesChangeNothing) {
    const Detached web("web", {"/bin/sleep", "1000"});
    for (const char* wrong :
         {"egress", "egress=10G", "egres=1G/1d", "egress=1G/1d,on-exceed=explode",
          "egress=1G/1d,warn=9%,on-warn=explode"})
        expect_refused(bulkhead({"set", "web", "--budget", wrong}), {2, {"budget"}});
    EXPECT_TRUE(bulkhead_json({"budget", "web"}).at("budgets").empty());
    expect_refused(run({"--budget", "cpu=1/1d"}, {"/bin/true"}), {125, {"--budget", "is no time"}});
    expect_refused(bulkhead({"budget", "nobody"}), {1, {"nobody"}});
}

}  // namespace
}  // namespace bulkhead::tests
