// Budgets that an agent carries out: what it does, and what happens when it is killed at the worst
// moment, when nobody comes, and when two come at once.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include <nlohmann/json.hpp>

#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/governed.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

// Begins processes for ever, one after the other, and waits a moment where it may not.
const Arguments kForking = {"/usr/bin/perl", "-e",
                            "while (1) { $p = fork(); exit 0 if defined $p && !$p;"
                            " $p ? waitpid($p, 0) : select(undef, undef, undef, 0.01) }"};
const Arguments kIdle = {"/bin/sleep", "1000"};

nlohmann::json budget(const std::string& name) {
    return bulkhead_json({"budget", name}).at("budgets").at(0);
}

bool is(const std::string& name, const char* state) {
    return budget(name).at("state") == state;
}

bool becomes(const std::string& name, const char* state) {
    const bool became = eventually([&] { return is(name, state); }, 120);
    EXPECT_TRUE(became) << name << " is " << budget(name).at("state") << ", not " << state;
    return became;
}

bool is_frozen(const std::string& name) {
    return cgroup_file(name + "/cgroup.events").find("frozen 1") != std::string::npos;
}

// As if the period had passed: its edges are a period earlier than they were.
void pass_a_period(const std::string& name) {
    const auto row = governed_row(name);
    ASSERT_TRUE(row.has_value()) << row.error().message();
    for (bh_budget& one : (*row)->budgets)
        one.origin_ns -= one.period_ns;
}

void set_budget(const std::string& name, const std::string& text) {
    const Outcome set = bulkhead({"set", name, "--budget", text});
    EXPECT_EQ(set.exit_code, 0) << set.err;
}

TEST(Governor, PausesUntilThePeriodEnds) {
    const NothingLeft nothing_left;
    const Agent agent;
    const Detached subject("pausing", kForking, {"--budget", "processes=200/1d,on-exceed=pause"});
    ASSERT_TRUE(becomes("pausing", "paused"));
    EXPECT_TRUE(eventually([] { return is_frozen("pausing"); }));
    EXPECT_EQ(budget("pausing").at("used"), 200) << "the kernel let nothing more begin";
    EXPECT_EQ(events("pausing", "budget-paused").size(), 1U);
    expect_refused(bulkhead({"exec", "pausing", "--", "/bin/true"}), {125, {"pausing is paused"}});
    const auto samples = scrape();
    EXPECT_EQ(
        samples.at(
            "bulkhead_environment_budget_actions_total{environment=\"pausing\",action=\"pause\"}"),
        1);
    EXPECT_EQ(
        samples.at(
            "bulkhead_environment_budget_waiting{environment=\"pausing\",kind=\"processes\"}"),
        0);

    // The next period: it goes on, and uses that up as well.
    pass_a_period("pausing");
    EXPECT_TRUE(eventually([] { return budget("pausing").at("exceeded") == 2; }, 120));
    ASSERT_TRUE(becomes("pausing", "paused"));
    EXPECT_EQ(events("pausing", "budget-resumed").size(), 1U);
    EXPECT_EQ(bulkhead_json({"usage", "pausing"}).at("budget_actions").at("pause"), 2);

    set_budget("pausing", "processes=unlimited");
    EXPECT_EQ(cgroup_file("pausing/cgroup.freeze"), "0");
    const auto forked = [] {
        return bulkhead_json({"usage", "pausing"})["tasks"]["forks"].get<int>();
    };
    const int before = forked();
    EXPECT_TRUE(eventually([&] { return forked() > before; }, 30)) << "it does not run";
}

// Crossed under the agent's eyes, which does not get to act any more.
TEST(Governor, IsCarriedOutByTheNextAgentWhenOneIsKilledAtTheMomentOfCrossing) {
    const NothingLeft nothing_left;
    const Detached subject("crossing", kForking);
    {
        const Agent agent;
        ASSERT_EQ(::kill(agent.pid(), SIGSTOP), 0);
        set_budget("crossing", "processes=200/1d,on-exceed=pause");
        ASSERT_TRUE(eventually([] { return budget("crossing").at("refused") > 0; }, 120));
    }
    EXPECT_TRUE(is("crossing", "waits for the agent"));
    EXPECT_FALSE(is_frozen("crossing"));
    EXPECT_EQ(budget("crossing").at("used"), 200) << "overshoot: none";
    EXPECT_NE(bulkhead({"why", "crossing"}).out.find("budget processes: used 200 of 200"),
              std::string::npos);
    EXPECT_TRUE(events("crossing", "budget-paused").empty());
    const Agent next;
    EXPECT_TRUE(becomes("crossing", "paused"));
    EXPECT_TRUE(eventually([] { return is_frozen("crossing"); }));
}

TEST(Governor, ResumesWhatAnAgentPausedThatIsDead) {
    const NothingLeft nothing_left;
    const Detached subject("resumed", kIdle, {"--budget", "wall=1s/1d,on-exceed=pause"});
    {
        const Agent agent;
        ASSERT_TRUE(becomes("resumed", "paused"));
    }
    pass_a_period("resumed");
    EXPECT_EQ(cgroup_file("resumed/cgroup.freeze"), "1") << "nobody was there to thaw it";
    const Agent next;
    EXPECT_TRUE(eventually([] { return !events("resumed", "budget-resumed").empty(); }, 30));
}

TEST(Governor, APausedOneIsDestroyed) {
    const NothingLeft nothing_left;
    const Detached subject("destroyed", kIdle, {"--budget", "wall=1s/1d,on-exceed=pause"});
    {
        const Agent agent;
        ASSERT_TRUE(becomes("destroyed", "paused"));
    }
    EXPECT_EQ(bulkhead({"destroy", "--force", "destroyed"}).exit_code, 0);
}

TEST(Governor, ThrottlesToATenthAndGivesBack) {
    const NothingLeft nothing_left;
    const Detached subject("slow", kIdle, {"--cpus", "0.5"});
    set_budget("slow", "wall=1s/1d,on-exceed=throttle");
    ASSERT_TRUE(becomes("slow", "waits for the agent"));
    EXPECT_EQ(cgroup_file("slow/cpu.max"), "50000 100000");
    EXPECT_EQ(bulkhead({"exec", "slow", "--", "/bin/true"}).exit_code, 0) << "nothing is refused";
    {
        const Agent agent;
        ASSERT_TRUE(becomes("slow", "throttled"));
        EXPECT_EQ(cgroup_file("slow/cpu.max"), "5000 100000");
        EXPECT_EQ(events("slow", "budget-throttled").size(), 1U);
    }
    pass_a_period("slow");
    EXPECT_EQ(cgroup_file("slow/cpu.max"), "5000 100000");
    set_budget("slow", "wall=1h/1d,on-exceed=throttle");
    EXPECT_EQ(cgroup_file("slow/cpu.max"), "50000 100000") << "`set` is enough to undo it";
    EXPECT_EQ(events("slow", "budget-resumed").size(), 1U);
    EXPECT_TRUE(is("slow", "open"));
}

TEST(Governor, AWarningThrottles) {
    const Agent agent;
    const Detached subject("warned", kIdle, {"--budget", "wall=100s/1d,warn=1%,on-warn=throttle"});
    ASSERT_TRUE(becomes("warned", "throttled"));
    EXPECT_EQ(cgroup_file("warned/cpu.max"), "10000 100000") << "of one CPU";
    set_budget("warned", "wall=unlimited");
    EXPECT_EQ(cgroup_file("warned/cpu.max"), "max 100000");
}

int exit_code(const std::string& name) {
    const nlohmann::json status = bulkhead_json({"status", name});
    return status.at("phase") == "ended" ? status.at("exit_code").get<int>() : -1;
}

TEST(Governor, AWarningPausesUntilThePeriodEnds) {
    const NothingLeft nothing_left;
    const Agent agent;
    const Detached subject("warned-pause", kForking,
                           {"--budget", "processes=2000/1d,warn=10%,on-warn=pause"});
    ASSERT_TRUE(becomes("warned-pause", "paused"));
    EXPECT_TRUE(eventually([] { return is_frozen("warned-pause"); }));
    EXPECT_EQ(budget("warned-pause").at("used"), 200) << "nothing began after the warning";
    set_budget("warned-pause", "processes=unlimited");
    EXPECT_EQ(cgroup_file("warned-pause/cgroup.freeze"), "0");
}

TEST(Governor, AWarningStopsAlsoWhenThePeriodIsOver) {
    const NothingLeft nothing_left;
    const Detached subject("warned-stop", kIdle,
                           {"--keep", "--budget", "wall=100s/1d,warn=1%,on-warn=stop"});
    ASSERT_TRUE(becomes("warned-stop", "waits for the agent"));
    pass_a_period("warned-stop");
    EXPECT_TRUE(is("warned-stop", "waits for the agent"));
    const Agent agent;
    EXPECT_TRUE(eventually([] { return exit_code("warned-stop") == 128 + SIGKILL; }, 60));
    EXPECT_EQ(events("warned-stop", "budget-stopped").size(), 2U);
}

TEST(Governor, TwoAgentsActOnce) {
    const Agent agent;
    const Running second({"agent", "--listen", "127.0.0.1:19751"});
    ASSERT_TRUE(eventually([] { return is_listening(19751); }, 30));
    const Detached subject("twice", kIdle,
                           {"--cpus", "0.5", "--budget", "wall=1s/1d,on-exceed=throttle"});
    ASSERT_TRUE(becomes("twice", "throttled"));
    pass_a_period("twice");
    EXPECT_TRUE(eventually([] { return events("twice", "budget-resumed").size() == 1; }, 30));
    ASSERT_TRUE(becomes("twice", "throttled"));
    EXPECT_EQ(cgroup_file("twice/cpu.max"), "5000 100000") << "a tenth of what it was, once";
    EXPECT_EQ(bulkhead_json({"usage", "twice"}).at("budget_actions").at("throttle"), 2);
    EXPECT_EQ(events("twice", "budget-throttled").size(), 2U);
}

TEST(Governor, StopsAndLetsItEndByItself) {
    const NothingLeft nothing_left;
    const Agent agent;
    const Detached subject("ends",
                           {"/usr/bin/perl", "-e", "$SIG{TERM} = sub { exit 7 }; sleep 1 while 1"},
                           {"--keep", "--budget", "wall=1s/1d,on-exceed=stop"});
    EXPECT_TRUE(eventually([] { return exit_code("ends") == 7; }, 60));
    const auto told = events("ends", "budget-stopped");
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].at("by"), "SIGTERM");
}

// The first process of a PID namespace does not get a SIGTERM that it has no handler for. The
// period is over when the agent comes.
TEST(Governor, StopsLateAndKillsWhatDoesNotEnd) {
    const NothingLeft nothing_left;
    const Detached subject("late", kIdle, {"--keep", "--budget", "wall=1s/1d,on-exceed=stop"});
    ASSERT_TRUE(becomes("late", "waits for the agent"));
    pass_a_period("late");
    EXPECT_NE(bulkhead({"exec", "late", "--", "/bin/true"}).exit_code, 0) << "for good";
    {
        const Agent agent;
        ASSERT_TRUE(becomes("late", "stopping"));
    }
    const Agent next;
    EXPECT_TRUE(eventually([] { return exit_code("late") == 128 + SIGKILL; }, 60));
    const auto told = events("late", "budget-stopped");
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].at("by"), "SIGKILL");
}

}  // namespace
}  // namespace bulkhead::tests
