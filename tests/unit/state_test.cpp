#include <gtest/gtest.h>

#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

EnvironmentState some_state() {
    EnvironmentState state;
    state.spec.name = "web";
    state.spec.root = {RootKind::kRootfs, "/srv/root"};
    state.spec.mounts.push_back({"/srv/data", "/data", MountAccess::kReadOnly});
    state.spec.tmpfs = {"/scratch"};
    state.spec.limits.memory_bytes = 1 << 28;
    state.spec.limits.pids = 64;
    state.spec.plans = {{BH_PLAN_CPUS, PlanBounds{500, 2000}}};
    state.spec.limits.memory_min_bytes = 4096;
    state.spec.budgets = {
        {BH_BUDGET_EGRESS, loader::BudgetTerms{10, 8, 1'000'000'000, BH_ON_THROTTLE, BH_ON_STOP}}};
    state.spec.network = NetworkKind::kHost;
    state.spec.process.argv = {"nginx", "-g", "daemon off;"};
    state.spec.process.init = InitKind::kReaper;
    state.spec.afterlife = Afterlife::kKeep;
    state.spec.policy.rules.control = 0x10003ffffffULL;
    state.label = {7, 42};
    state.pid = 1234;
    state.started_ns = 99;
    return state;
}

TEST(State, SurvivesBeingWrittenAndRead) {
    const EnvironmentState before = some_state();
    const auto after = state_from_json(to_json(before));
    ASSERT_TRUE(after.has_value()) << after.error().message();
    EXPECT_EQ(to_json(*after), to_json(before));
    EXPECT_EQ(after->spec.mounts.at(0).access, MountAccess::kReadOnly);
    EXPECT_EQ(after->spec.limits.memory_bytes, 1U << 28);
    EXPECT_FALSE(after->spec.limits.swap_bytes.has_value());
    EXPECT_EQ(after->spec.afterlife, Afterlife::kKeep);
    ASSERT_EQ(after->spec.plans.size(), 1U);
    EXPECT_EQ(after->spec.plans[0].resource, BH_PLAN_CPUS);
    EXPECT_EQ(after->spec.plans[0].bounds->most, 2000U);
    EXPECT_EQ(after->spec.limits.memory_min_bytes, 4096U);
    ASSERT_EQ(after->spec.budgets.size(), 1U);
    EXPECT_EQ(after->spec.budgets[0].terms->on_warn, BH_ON_THROTTLE);
    EXPECT_EQ(after->spec.budgets[0].terms->on_exceed, BH_ON_STOP);
    EXPECT_EQ(after->label.serial, 42U);
}

TEST(State, ThatIsCorruptIsAnErrorAndNotACrash) {
    const std::string whole = to_json(some_state());
    for (std::size_t length = 0; length + 1 < whole.size(); length += 7)
        EXPECT_FALSE(state_from_json(whole.substr(0, length)).has_value()) << length;
    EXPECT_EQ(state_from_json("[]").error().what(), "format is missing");
    EXPECT_EQ(state_from_json(R"({"format": 1, "spec": 3})").error().what(), "spec is no object");
    std::string other = whole;
    other.replace(other.find("\"argv\":["), 7, "\"args\":");
    EXPECT_EQ(state_from_json(other).error().what(), "spec.process.argv is missing");
}

TEST(State, OfAnotherFormatIsRefused) {
    std::string text = to_json(some_state());
    text.replace(text.find("\"format\":1"), 10, "\"format\":9");
    const auto state = state_from_json(text);
    ASSERT_FALSE(state.has_value());
    EXPECT_NE(state.error().message().find("another version"), std::string::npos);
}

}  // namespace
}  // namespace bulkhead::runtime
